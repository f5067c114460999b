"""One sync as a user configures it: a source, a workflow, and what may leave."""

from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, model_validator

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.leads import ScreeningConfig, validate_variables
from dialnexa_pipeline.phones import PHONE_TYPES
from dialnexa_pipeline.sources import SourceConfig
from dialnexa_pipeline.strict_model import StrictModel
from dialnexa_pipeline.sync_values import (
    Cron,
    Dedupe,
    Duration,
    Freshness,
    FullScan,
    Owner,
    PhoneType,
    Preflight,
    Size,
)
from dialnexa_pipeline.templates import is_template


class BatchConfig(StrictModel):
    """How batch files are cut: `max_rows` leads and `max_bytes` bytes at most."""

    format: Literal["csv", "xlsx"] = Field(default="csv", description="Of the batch files.")
    max_rows: int = Field(default=5_000, ge=1, le=1_000_000, description="Leads in a file at most.")
    max_bytes: Size = Field(
        default=9_000_000, ge=1_000, description="Bytes of a file at most, or a size such as 9MB."
    )


class GuardConfig(StrictModel):
    """What holds a plan before anything is sent, until somebody approves it."""

    max_leads: int | None = Field(default=None, ge=1, description="Leads of a run at most.")
    max_growth: float | None = Field(
        default=None, gt=0, description="Times the median of the sync's recent runs."
    )
    max_reject_rate: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of source rows that screening refuses; counts from 20 rows on.",
    )


class ChecksConfig(StrictModel):
    """When the checks of a sync warn; a warning holds nothing."""

    max_reject_growth: float | None = Field(
        default=2.0,
        ge=1,
        description="Times the usual share of refused rows, the median of the sync's recent runs.",
    )
    min_rejected: int = Field(
        default=10, ge=1, description="Refused rows below which their share is not compared."
    )
    max_blank_rate: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of source rows that may lack a required variable.",
    )


class PartitionsConfig(StrictModel):
    """Time windows over the source's `updated_at`, in the sync's time zone."""

    every: Literal["hour", "day", "week", "month"] = Field(description="Length of a window.")
    start: date = Field(
        description="The first day of the first window, for example 2026-01-01: a Sunday for "
        "weeks, the first of a month for months."
    )
    look_back: Duration = Field(
        default=timedelta(0),
        json_schema_extra={"default": "0d"},
        description="How far a window also reads what lies before it, for rows that came late: 2d. "
        "Who is enrolled already counts as duplicate/already_enrolled.",
    )
    backfill: Literal["single_run", "per_partition"] | Annotated[int, Field(ge=1)] = Field(
        default="per_partition",
        description="A backfill of a range in a single_run, a run per_partition, or so many "
        "partitions in each run.",
    )

    @model_validator(mode="after")
    def _begins_a_window(self) -> "PartitionsConfig":
        # Dagster's first window is the first one that begins on the start or after it.
        before = self.first_day(self.start)
        if self.start != before:
            following = self.first_day(before + timedelta(days=7 if self.every == "week" else 31))
            first = "on a Sunday" if self.every == "week" else "on its first day"
            raise ValueError(
                f"start {self.start} begins no {self.every}, so the days before the next one "
                f"would belong to no partition; a {self.every} begins {first}: write {before} or "
                f"{following}"
            )
        return self

    def first_day(self, day: date) -> date:
        """The first day of the window that a day lies in."""
        match self.every:
            case "week":
                return day - timedelta(days=day.isoweekday() % 7)
            case "month":
                return day.replace(day=1)
            case _:
                return day


class CursorConfig(StrictModel):
    """How a sync without partitions reads only what changed since `source.updated_at`."""

    look_back: Duration = Field(
        default=timedelta(hours=1),
        description="How far a run also reads what lies before the cursor, for rows that came "
        "late.",
    )
    full_scan: FullScan = Field(
        default=timedelta(days=7),
        description="Everything is read again after so long, or never: what leaves the source, or "
        "changes without a new updated_at, is seen only then.",
    )


def _cursor(value: object) -> object:
    return {} if value is True else value


_Cursor = Annotated[
    CursorConfig | Literal[False] | None,
    BeforeValidator(_cursor, json_schema_input_type=CursorConfig | bool | None),
]


class ProgressConfig(StrictModel):
    """Whether and when the statuses of enrolled leads are fetched."""

    schedule: Cron | None = Field(
        default=None, description="Cron of the job `<sync>_progress`, in the sync's time zone."
    )


def _progress(value: object) -> object:
    if isinstance(value, bool):
        return {} if value else None
    return value


_Progress = Annotated[
    ProgressConfig | None,
    BeforeValidator(_progress, json_schema_input_type=ProgressConfig | bool | None),
]


class SyncConfig(StrictModel):
    """The `attributes` of a LeadSyncComponent; docs/keys.md lists them all."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Names the assets and the job.")
    source: SourceConfig = Field(description="Where the leads come from.")
    workflow: str | None = Field(
        default=None, min_length=1, description="The workflow of every lead."
    )
    workflow_column: str | None = Field(
        default=None,
        min_length=1,
        description="Or the source column that names each lead's workflow.",
    )
    variables: dict[str, str] = Field(
        default_factory=dict, description="Uploaded header → source column; nothing else leaves."
    )
    required_variables: list[str] = Field(
        default_factory=list, description="Headers that may not be blank."
    )
    phone_types: list[PhoneType] = Field(
        default_factory=lambda: ["mobile", "fixed_line_or_mobile"],
        description="libphonenumber types that may be called.",
    )
    dedupe: Dedupe = Field(
        default=None,
        json_schema_extra={"default": "forever"},
        description="How long an enrolled number is not enrolled again in the same workflow: "
        "forever, or a duration such as 30d.",
    )
    enrolment_ref: str | None = Field(
        default="enrolment_ref",
        description="Header of the correlation column; null turns it off.",
    )
    in_doubt: Literal["replan", "hold"] = Field(
        default="replan",
        description="What becomes of a row that was sent and is proved absent from the workflow: "
        "the next run plans it again, or it waits for `dialnexa reconcile --release`.",
    )
    activation: Literal["as_is", "after_reconcile"] = Field(
        default="as_is",
        description="Upload to a workflow whatever its status; or only while it is a draft or "
        "paused, and activate it once every lead is seen in its list exactly once.",
    )
    batch: BatchConfig = Field(default=BatchConfig(), description="How files are cut.")
    workflows_at_once: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Workflows that are uploaded to side by side, within the pace of the API key; "
        "the files of one workflow go one after another.",
    )
    guard: GuardConfig = Field(
        default=GuardConfig(), description="What holds a plan until somebody approves it."
    )
    checks: ChecksConfig = Field(default=ChecksConfig(), description="When the checks warn.")
    preflight: Preflight = Field(
        default="warn",
        description="Compares where the planned leads are with the destinations that DialNexa's "
        "Telephony Config enables: enforce sends no lead to another one, warn only tells, off (for "
        "SIP routes) does not look.",
    )
    freshness: Freshness = Field(
        default=None,
        description="How old the last sending may be before the asset is overdue: 26h, or off. "
        "Without it a sync with a schedule may miss one tick by two hours.",
    )
    schedule: Cron | None = Field(default=None, description="Cron of the sync's job.")
    automation: Literal["after_upstream"] | None = Field(
        default=None,
        description="after_upstream: the sensor `<sync>_automation` starts a run each time "
        "source.table, as an asset of the same Dagster deployment, was updated and its blocking "
        "checks passed.",
    )
    timezone: str = Field(
        default="UTC",
        description="IANA zone of schedule and partitions, for example Asia/Kolkata.",
        examples=["Asia/Kolkata", "Europe/Berlin", "America/New_York"],
    )
    partitions: PartitionsConfig | None = Field(
        default=None, description="Windows of source.updated_at, one a partition."
    )
    cursor: _Cursor = Field(
        default=None,
        description="A sync without partitions reads only what changed since source.updated_at, "
        "once all before it is settled; `false` reads everything each time. By default a sync "
        "keeps one, unless `dedupe` is a duration, after which unchanged rows come due again.",
    )
    progress: _Progress = Field(
        default=None,
        description="`true`, or a schedule: the job `<sync>_progress` lists the sync's workflows "
        "and records how far each enrolled lead has come. Without it they are not listed.",
    )
    owners: list[Owner] = Field(
        default_factory=list, description="Dagster owners of the assets: e-mails or team:name."
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "SyncConfig":
        if (self.workflow is None) == (self.workflow_column is None):
            raise ValueError("give exactly one of workflow and workflow_column")
        try:
            validate_variables(self.variables, self.enrolment_ref)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        for header in self.required_variables:
            if header not in self.variables:
                raise ValueError(
                    f"required_variables names {header!r}, which is not among the variables: "
                    f"{', '.join(self.variables) or 'none'}"
                )
        if not self.phone_types:
            raise ValueError("phone_types names none, so nobody could be called; leave it out")
        for phone_type in self.phone_types:
            if phone_type not in PHONE_TYPES:
                raise ValueError(
                    f"phone_types names {phone_type!r}; choices: {', '.join(sorted(PHONE_TYPES))}"
                )
        if not is_template(self.timezone) and self.timezone not in available_timezones():
            raise ValueError(
                f"timezone {self.timezone!r} is not an IANA zone such as Asia/Kolkata or UTC"
            )
        if self.partitions is not None and self.source.updated_at is None:
            raise ValueError("partitions need source.updated_at, the column they cut by")
        if self.automation is not None and self.source.table is None:
            raise ValueError("automation follows an upstream asset, so it needs source.table")
        if self.cursor and (self.partitions is not None or self.source.file is not None):
            raise ValueError("cursor belongs to a table or query without partitions; leave it out")
        if self.cursor and self.source.updated_at is None:
            raise ValueError("cursor needs source.updated_at, the column it follows")
        return self

    @property
    def screening(self) -> ScreeningConfig:
        """The part of the sync that screening needs."""
        return ScreeningConfig(
            key=self.source.key,
            phone=self.source.phone,
            country=self.source.country,
            default_country=self.source.default_country,
            workflow=self.workflow,
            workflow_column=self.workflow_column,
            variables=dict(self.variables),
            required_variables=tuple(self.required_variables),
            phone_types=frozenset(self.phone_types),
        )

    @property
    def incremental(self) -> CursorConfig | None:
        """How this sync reads only what changed; None when each run reads all that it may."""
        if self.cursor is not None:
            return self.cursor or None
        may = self.source.updated_at is not None and self.source.file is None
        return CursorConfig() if may and self.partitions is None and self.dedupe is None else None

    @property
    def activates(self) -> bool:
        """Whether workflows are filled while they sleep, and activated afterwards."""
        return self.activation == "after_reconcile"

    @property
    def source_columns(self) -> list[str]:
        """The source columns that are read, each once."""
        wanted = [self.source.key, self.source.phone]
        wanted += [c for c in (self.source.country, self.workflow_column) if c is not None]
        wanted += list(self.variables.values())
        return list(dict.fromkeys(wanted))

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)
