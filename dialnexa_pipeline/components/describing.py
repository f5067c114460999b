"""A sync's YAML in plain words: the descriptions and tags that the UI shows of its assets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from dialnexa_pipeline.components.ended_runs import SYNC_TAG
from dialnexa_pipeline.sync import SyncConfig

WORKFLOW_TAG = "dialnexa/workflow"

# What Dagster takes as the value of a tag.
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def asset_tags(config: SyncConfig) -> dict[str, str]:
    """What a selection in the UI finds the sync by; a workflow of another spelling has no tag."""
    tags = {SYNC_TAG: config.name}
    if config.workflow is not None and _TAG_VALUE.fullmatch(config.workflow):
        tags[WORKFLOW_TAG] = config.workflow
    return tags


def describe_screened_leads(config: SyncConfig) -> str:
    source = config.source
    facts = [
        f"**Source**: {_relation(config)}, a row for each `{source.key}`.{_window(config)}",
        f"**Phone**: column `{source.phone}`. {_country(config)} "
        f"Only these types may be called: {_listed(_plain(t) for t in config.phone_types)}.",
        f"**Workflow**: {_workflow(config)}.",
        f"**What leaves**: {_leaving(config)}; nothing else.",
    ]
    if config.required_variables:
        facts.append(f"**Never blank**: {_listed(map(_code, config.required_variables))}.")
    return _described(
        f"Every row of {_plain_relation(config)}, with the reason for each that cannot be called. "
        "Nothing is claimed or sent.",
        facts,
    )


def describe_lead_batches(config: SyncConfig) -> str:
    batch = config.batch
    return _described(
        f"The preview of {config.name}: leads are claimed in the ledger and written to files. "
        "Nothing is sent until enrolments is materialised.",
        [
            f"**Files**: {batch.format.upper()}, one workflow each, at most {batch.max_rows:,} "
            f"leads and {_size(batch.max_bytes)}.",
            f"**Nobody twice**: {_dedupe(config)}",
            f"**Guard**: {_guard(config)}",
            f"**Destinations**: {_preflight(config)}",
        ],
    )


def describe_enrolments(config: SyncConfig) -> str:
    facts = [f"**Workflow**: {_workflow(config)}. {_activation(config)}"]
    if config.workflow_column is not None:
        facts.append(
            f"**Side by side**: files of up to {config.workflows_at_once} workflows; those of one "
            "workflow go one after another."
        )
    facts.append(f"**In doubt**: an answer that is lost is never sent again; {_in_doubt(config)}")
    if config.schedule is not None:
        facts.append(f"**Schedule**: `{config.schedule}`, in {config.timezone}.")
    facts.append(_recorded("dialnexa_enrolments"))
    return _described(
        f"The approval of {config.name}: its files are uploaded to DialNexa, each person at most "
        "once.",
        facts,
    )


def describe_enrolment_counts(config: SyncConfig) -> str:
    return _described(
        f"How many rows of {config.name} had which outcome, by run, partition and workflow.",
        [_recorded("dialnexa_enrolment_counts")],
    )


def describe_rejected_rows(config: SyncConfig) -> str:
    return _described(
        f"Every row of {config.name} that is not enrolled, with the reason and what mends it. A "
        "row that is mended at the source is picked up by the next run.",
        [
            _recorded("dialnexa_rejected_rows"),
            f"**As a spreadsheet**: `dialnexa rejected {config.name} --xlsx mend.xlsx`.",
        ],
    )


def describe_lead_progress(config: SyncConfig) -> str:
    facts = [f"**Workflow**: {_workflow(config)}."]
    if config.progress is not None and config.progress.schedule is not None:
        facts.append(f"**Schedule**: `{config.progress.schedule}`, in {config.timezone}.")
    facts.append(_recorded("dialnexa_lead_progress"))
    return _described(
        f"What became of each enrolled lead of {config.name}, a row for every change of its "
        "status. The workflows are listed; nothing is sent.",
        facts,
    )


def _described(summary: str, facts: Sequence[str]) -> str:
    """Markdown: a list of assets shows the summary, and not as Markdown; the page all of it."""
    return "\n".join([summary, "", *(f"- {fact}" for fact in facts)])


def _plain_relation(config: SyncConfig) -> str:
    source = config.source
    return source.table or source.file or f"the query of {config.name}"


def _relation(config: SyncConfig) -> str:
    source = config.source
    if source.table is not None:
        return f"`{source.table}`"
    if source.file is not None:
        sheet = f", sheet `{source.sheet}`" if source.sheet is not None else ""
        return f"the file `{source.file}`{sheet}"
    return "a query of its own"


def _window(config: SyncConfig) -> str:
    if config.partitions is None:
        cursor = config.incremental
        if cursor is None:
            return ""
        said = f" A run reads what changed by `{config.source.updated_at}`"
        if cursor.full_scan == "never":
            return f"{said}."
        return f"{said}, and everything every {_duration(cursor.full_scan)}."
    said = (
        f" A partition holds a{'n' if config.partitions.every == 'hour' else ''} "
        f"{config.partitions.every} of `{config.source.updated_at}` in {config.timezone}, from "
        f"{config.partitions.start:%Y-%m-%d} on"
    )
    if config.partitions.look_back:
        said += f", and reads the {_duration(config.partitions.look_back)} before it again"
    return f"{said}."


def _country(config: SyncConfig) -> str:
    column, default = config.source.country, config.source.default_country
    if column is not None:
        otherwise = f" or else in {default}" if default is not None else ""
        return f"A number in national form is one of the country in `{column}`{otherwise}."
    if default is not None:
        return f"A number in national form is one of {default}."
    return "A number needs its `+` and country code."


def _leaving(config: SyncConfig) -> str:
    sent = ["`phone_number`"]
    sent += [
        f"`{header}`" if header == column else f"`{header}` (from `{column}`)"
        for header, column in config.variables.items()
    ]
    if config.enrolment_ref is not None:
        sent.append(f"`{config.enrolment_ref}` (made here, to recognise the row in DialNexa)")
    return _listed(sent)


def _workflow(config: SyncConfig) -> str:
    if config.workflow is not None:
        return f"`{config.workflow}`"
    return f"the one that column `{config.workflow_column}` names"


def _dedupe(config: SyncConfig) -> str:
    if config.dedupe is None:
        return "a number that is enrolled in a workflow is never enrolled there again."
    return (
        f"a number that is enrolled in a workflow is not enrolled there again for "
        f"{_duration(config.dedupe)}."
    )


def _guard(config: SyncConfig) -> str:
    limits = list(_limits(config))
    if not limits:
        return "none."
    return (
        f"holds a plan with {_listed(limits, 'or')}, until somebody approves it with "
        f"`dialnexa approve {config.name}`."
    )


def _limits(config: SyncConfig) -> Iterator[str]:
    guard = config.guard
    if guard.max_leads is not None:
        yield f"more than {guard.max_leads:,} leads"
    if guard.max_growth is not None:
        yield f"more than {guard.max_growth:g} times the leads of recent runs"
    if guard.max_reject_rate is not None:
        yield f"more than {guard.max_reject_rate:.0%} of the rows refused"


def _preflight(config: SyncConfig) -> str:
    return {
        "enforce": "a lead to one that DialNexa does not enable is refused.",
        "warn": "a check warns of leads to one that DialNexa does not enable.",
        "off": "not looked at.",
    }[config.preflight]


def _activation(config: SyncConfig) -> str:
    if config.activates:
        return (
            "It is filled while it is paused or a draft, and activated once every lead is seen in "
            "its list exactly once."
        )
    return "An active one calls its leads at once."


def _in_doubt(config: SyncConfig) -> str:
    if config.in_doubt == "hold":
        return "a row that DialNexa's lists prove absent waits for `dialnexa reconcile --release`."
    return "a row that DialNexa's lists prove absent is planned again by the next run."


def _recorded(table: str) -> str:
    return f"**Table**: `{table}` in the warehouse."


def _duration(length: timedelta) -> str:
    """In the largest unit that is exact: `2 days`, `90 minutes`."""
    seconds = int(length.total_seconds())
    for unit, size in _UNITS:
        if seconds % size == 0:
            number = seconds // size
            return f"{number} {unit}{'s' if number != 1 else ''}"
    return f"{seconds} seconds"


def _size(size: int) -> str:
    return f"{size / 1_000_000:g} MB" if size >= 1_000_000 else f"{size / 1_000:g} kB"


def _plain(phone_type: str) -> str:
    return phone_type.replace("_", " ")


def _code(name: str) -> str:
    return f"`{name}`"


def _listed(things: Iterable[str], last: str = "and") -> str:
    *most, end = things
    return f"{', '.join(most)} {last} {end}" if most else end
