"""The record tables follow the ledger: whatever it changed and they do not show is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Account, Ledger
from dialnexa_pipeline.records.tables import OUTCOMES
from dialnexa_pipeline.records.warehouse import arrow_rows, open_records


@dataclass(frozen=True, slots=True)
class RecordedCount:
    """One row of `dialnexa_enrolment_counts`."""

    sync: str
    run_id: str
    partition_key: str
    workflow_id: str
    source_rows: int
    enrolled: int
    invalid: int
    duplicate: int
    suppressed: int
    deferred: int
    rejected: int
    in_doubt: int
    planned: int
    recorded_at: datetime


def record_enrolments(ledger: Ledger, warehouse_url: str, sync: str) -> int:
    """Bring `dialnexa_enrolments` up to the ledger; return how many rows were written.

    The ledger notes a change as recorded only after the warehouse's commit, so a crash between
    the two repeats the write, which replaces rows by key. The ledger is read while the record
    tables are held alone, so that a slower process never puts older rows over newer ones.
    """
    with open_records(warehouse_url) as records:
        pending = ledger.accounts.pending(sync, "enrolments")
        leads = ledger.accounts.enrolments_of(pending.batch_ids)
        written = records.replace_all("dialnexa_enrolments", leads)
    reach("records.written")
    ledger.accounts.mark_recorded(pending.change_ids, "enrolments")
    reach("records.marked")
    return written


def record_rejected_rows(ledger: Ledger, warehouse_url: str, sync: str) -> int:
    """Bring `dialnexa_rejected_rows` up to the ledger; return how many rows were written."""
    with open_records(warehouse_url) as records:
        pending = ledger.accounts.pending(sync, "rejected_rows")
        rows = ledger.accounts.rejections_changed(pending.change_ids)
        written = records.replace_all("dialnexa_rejected_rows", rows)
    reach("records.written")
    ledger.accounts.mark_recorded(pending.change_ids, "rejected_rows")
    reach("records.marked")
    return written


def record_counts(ledger: Ledger, warehouse_url: str, sync: str) -> list[RecordedCount]:
    """Bring `dialnexa_enrolment_counts` up to the ledger; return the rows written."""
    with open_records(warehouse_url) as records:
        pending = ledger.accounts.pending(sync, "counts")
        changed = set(pending.plan_ids)
        rows = [
            row
            for plan_id in ledger.accounts.counted_plans(sync)
            if plan_id in changed
            for row in counts_of(ledger.accounts.of_plan(plan_id))
        ]
        records.replace("dialnexa_enrolment_counts", arrow_rows("dialnexa_enrolment_counts", rows))
    reach("records.written")
    ledger.accounts.mark_recorded(pending.change_ids, "counts")
    reach("records.marked")
    return rows


def counts_of(account: Account) -> Iterator[RecordedCount]:
    """One row per workflow of a plan's account; its source rows are the sum of its outcomes."""
    now = datetime.now(UTC)
    workflows: dict[str, dict[str, int]] = {}
    for count in account.counts:
        outcomes = workflows.setdefault(count.workflow_id, dict.fromkeys(OUTCOMES, 0))
        outcomes[count.outcome] += count.leads
    for workflow_id, outcomes in sorted(workflows.items()):
        yield RecordedCount(
            account.plan.sync,
            account.plan.run_id,
            account.plan.partition_key,
            workflow_id,
            sum(outcomes.values()),
            *(outcomes[outcome] for outcome in OUTCOMES),
            recorded_at=now,
        )
