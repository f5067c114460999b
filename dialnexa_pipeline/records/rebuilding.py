"""Record tables rebuilt from the ledger: whatever the warehouse held of a sync is replaced."""

from collections.abc import Callable, Iterator

import pyarrow as pa

from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Ledger, RecordTable
from dialnexa_pipeline.records.following import counts_of
from dialnexa_pipeline.records.warehouse import arrow_rows, open_records

# Record table → its name in the ledger's changes, and the rows that it should show of a sync.
_Rows = Callable[[Ledger, str], Iterator[pa.Table]]
LEDGER_ROWS: dict[str, tuple[RecordTable, _Rows]] = {
    "dialnexa_enrolments": (
        "enrolments",
        lambda ledger, sync: ledger.accounts.all_enrolments(sync),
    ),
    "dialnexa_rejected_rows": (
        "rejected_rows",
        lambda ledger, sync: (
            arrow_rows("dialnexa_rejected_rows", piece)
            for piece in ledger.accounts.all_rejections(sync)
        ),
    ),
    "dialnexa_enrolment_counts": (
        "counts",
        lambda ledger, sync: (
            arrow_rows("dialnexa_enrolment_counts", counts_of(ledger.accounts.of_plan(plan_id)))
            for plan_id in ledger.accounts.counted_plans(sync)
        ),
    ),
}


def rebuild(
    ledger: Ledger,
    warehouse_url: str,
    sync: str,
    *,
    note_written: Callable[[int], None] = lambda _rows: None,
) -> dict[str, int]:
    """Make the record tables show of a sync what the ledger says, and nothing else.

    Each table is replaced in one transaction, so a reader sees the old rows or the new ones; in
    DuckDB, row by row. Rows of other syncs are left alone. A crash leaves a table as it was, there
    in part, or rebuilt and not yet noted as such; following or rebuilding it then writes the same
    rows again.

    Args:
        note_written: takes how many rows were written by now.

    Returns:
        Record table → rows written.

    Raises:
        WarehouseUnavailable: the warehouse does not take the rows.
    """
    written: dict[str, int] = {}
    for table, (name, rows_of) in LEDGER_ROWS.items():
        # Read before the rows: what changes after this stays pending, and is followed later.
        with open_records(warehouse_url) as records:
            pending = ledger.accounts.pending(sync, name)
            written[table] = 0
            for rows in records.remake(table, sync, rows_of(ledger, sync)):
                written[table] = rows
                note_written(sum(written.values()))
        reach("records.written")
        ledger.accounts.mark_recorded(pending.change_ids, name)
        reach("records.marked")
    return written
