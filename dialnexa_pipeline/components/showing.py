"""What an operator sees of a materialisation: counts, tables and masked samples."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from dialnexa_pipeline.components.funnel import funnel
from dialnexa_pipeline.enrolment import SampleRow, SettledBatch
from dialnexa_pipeline.leads import OUTCOMES, REASONS
from dialnexa_pipeline.ledger import Account, Batch, Count
from dialnexa_pipeline.records import WorkflowProgress, record_tables

_MAX_ROWS = 20


def outcome_metadata(account: Account) -> dict[str, dg.MetadataValue]:
    """What the operator asks first: the funnel, then why, then where; and the sums as numbers."""
    shown: dict[str, dg.MetadataValue] = {
        "funnel": funnel(account),
        "reasons": reason_table(account.counts),
        "workflows": workflow_table(account.counts),
        "source_rows": dg.MetadataValue.int(account.source_rows),
        "accounted_rows": dg.MetadataValue.int(account.accounted_rows),
    }
    for outcome, leads in sorted(account.by_outcome().items()):
        shown[f"leads/{outcome}"] = dg.MetadataValue.int(leads)
    return shown


def reason_numbers(counts: Iterable[Count]) -> dict[str, dg.MetadataValue]:
    """`invalid/too_short` and the like: the UI plots each number from run to run."""
    totals: Counter[str] = Counter()
    for count in counts:
        if "/" in count.reason:
            totals[count.reason] += count.leads
    return {reason: dg.MetadataValue.int(leads) for reason, leads in sorted(totals.items())}


def per_second(rows: int, started: float) -> dg.MetadataValue:
    """Rows a second since a moment of the monotonic clock."""
    return dg.MetadataValue.float(round(rows / max(time.monotonic() - started, 1e-3), 1))


def reason_table(counts: Iterable[Count]) -> dg.MetadataValue:
    """Leads, reason, and what to do about it, most frequent first."""
    totals: Counter[str] = Counter()
    for count in counts:
        totals[count.reason] += count.leads
    records = [
        dg.TableRecord({"leads": leads, "reason": reason, "meaning": REASONS.get(reason, "")})
        for reason, leads in totals.most_common()
    ]
    return dg.MetadataValue.table(
        records, schema=_schema({"leads": "int", "reason": "string", "meaning": "string"})
    )


def workflow_table(counts: Iterable[Count]) -> dg.MetadataValue:
    """At most 100 workflows, a row each: its leads, and a column for every outcome there is."""
    totals: dict[str, Counter[str]] = {}
    for count in counts:
        totals.setdefault(count.workflow_id, Counter())[count.outcome] += count.leads
    present = {outcome for leads in totals.values() for outcome in leads}
    outcomes = [name for name in ("eligible", *OUTCOMES) if name in present]
    records = [
        dg.TableRecord(
            {"workflow_id": workflow_id or "(blank)", "leads": leads.total()}
            | {outcome: leads[outcome] for outcome in outcomes}
        )
        for workflow_id, leads in sorted(totals.items())[: _MAX_ROWS * 5]
    ]
    columns = {"workflow_id": "string", "leads": "int"} | dict.fromkeys(outcomes, "int")
    return dg.MetadataValue.table(records, schema=_schema(columns))


def sample_table(sample: Sequence[SampleRow]) -> dg.MetadataValue:
    """At most 20 refused leads; numbers are masked."""
    records = [
        dg.TableRecord({"lead_key": row.lead_key, "raw_phone": row.raw_phone, "reason": row.reason})
        for row in sample[:_MAX_ROWS]
    ]
    return dg.MetadataValue.table(
        records, schema=_schema({"lead_key": "string", "raw_phone": "string", "reason": "string"})
    )


def batch_table(batches: Sequence[Batch]) -> dg.MetadataValue:
    """At most 100 batches: workflow, state and why, rows, bytes and file."""
    records = [
        dg.TableRecord(
            {
                "workflow_id": batch.workflow_id,
                "state": batch.state,
                "why": batch.detail or "",
                "leads": batch.row_count,
                "bytes": batch.file_bytes or 0,
                "file": (batch.file_path or "").rsplit("/", 1)[-1],
            }
        )
        for batch in batches[: _MAX_ROWS * 5]
    ]
    return dg.MetadataValue.table(
        records,
        schema=_schema(
            {
                "workflow_id": "string",
                "state": "string",
                "why": "string",
                "leads": "int",
                "bytes": "int",
                "file": "string",
            }
        ),
    )


def settled_sentence(batch: SettledBatch) -> str:
    """What a listing said of a batch in doubt."""
    if batch.problem is not None:
        return f"Batch {batch.batch_id} stays in doubt: {batch.problem}"
    return (
        f"Batch {batch.batch_id} of {batch.workflow_id}: {batch.enrolled} rows found enrolled, "
        f"{batch.absent} proved absent, {batch.waiting} still in doubt, {batch.held} held."
    )


def settled_table(settled: Sequence[SettledBatch]) -> dg.MetadataValue:
    """At most 100 batches that were in doubt, with the rows that a listing settled."""
    columns = {"batch": "string", "workflow_id": "string"}
    columns |= dict.fromkeys(("enrolled", "absent", "waiting", "held"), "int")
    records = [
        dg.TableRecord(
            {
                "batch": batch.batch_id,
                "workflow_id": batch.workflow_id,
                "enrolled": batch.enrolled,
                "absent": batch.absent,
                "waiting": batch.waiting,
                "held": batch.held,
            }
        )
        for batch in settled[: _MAX_ROWS * 5]
    ]
    return dg.MetadataValue.table(records, schema=_schema(columns))


def progress_table(progress: Sequence[WorkflowProgress]) -> dg.MetadataValue:
    """At most 100 workflows: its leads of the sync by status, changes, and what is not ours."""
    records = [
        dg.TableRecord(
            {
                "workflow_id": each.workflow_id,
                "statuses": ", ".join(f"{leads:,} {name}" for name, leads in each.statuses.items()),
                "changes": each.changes,
                "unlisted": each.unlisted,
                "of_others": each.of_others,
            }
        )
        for each in progress[: _MAX_ROWS * 5]
    ]
    columns = {"workflow_id": "string", "statuses": "string"}
    columns |= dict.fromkeys(("changes", "unlisted", "of_others"), "int")
    return dg.MetadataValue.table(records, schema=_schema(columns))


def record_schema(table: str) -> dg.MetadataValue:
    """The columns of a record table."""
    columns = record_tables().tables[table].columns
    return dg.MetadataValue.table_schema(
        dg.TableSchema(
            [
                dg.TableColumn(column.name, str(column.type).lower(), description=column.doc)
                for column in columns
            ]
        )
    )


def _schema(columns: Mapping[str, str]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
