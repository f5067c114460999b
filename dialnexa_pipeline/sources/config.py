"""Where a sync's leads come from, as configured."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pydantic import Field, model_validator

from dialnexa_pipeline.strict_model import StrictModel


class SourceConfig(StrictModel):
    """Exactly one of table, query and file, and the names of the columns that matter."""

    table: str | None = Field(default=None, description="Table or view, `schema.name` if need be.")
    query: str | None = Field(default=None, description="One read-only SELECT.")
    file: str | None = Field(default=None, description="A .csv or .xlsx file.")
    sheet: str | None = Field(default=None, description="Sheet of an .xlsx file; first by default.")
    key: str = Field(description="The source's primary key: unique and not null, checked.")
    phone: str = Field(description="Column of phone numbers, in any spelling.")
    country: str | None = Field(default=None, description="Column of ISO 3166-1 alpha-2 codes.")
    default_country: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}$",
        description="Country of numbers in national form whose row names none, for example IN.",
    )
    updated_at: str | None = Field(
        default=None,
        description="Cursor and partition column. Without a time zone it is read as UTC; a DATE is "
        "a day of the sync's own calendar.",
    )

    @model_validator(mode="after")
    def _names_one_relation(self) -> "SourceConfig":
        given = [name for name in ("table", "query", "file") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of table, query and file; given: {', '.join(given) or 'none'}"
            )
        if self.sheet is not None and not (self.file or "").lower().endswith(".xlsx"):
            raise ValueError("sheet belongs to an .xlsx file; leave it out, or name such a file")
        return self


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open window of `updated_at`: start ≤ updated_at < end, both timezone-aware.

    The zone of its bounds is the one whose days count where `updated_at` is a date.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("the bounds of a window need a timezone")

    @property
    def last_day(self) -> date:
        """The last day of its zone's calendar that the window touches."""
        last = self.end.astimezone(UTC) - timedelta.resolution
        return last.astimezone(self.end.tzinfo).date()


@dataclass(frozen=True, slots=True)
class Since:
    """Rows whose `updated_at` is `start` or later, and rows that have none."""

    start: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("the moment needs a timezone")
