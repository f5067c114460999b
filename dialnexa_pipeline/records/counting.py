"""Record tables held against the ledger by their counts: cheap enough for every run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from dialnexa_pipeline.ledger import Ledger, Plan
from dialnexa_pipeline.records.following import counts_of
from dialnexa_pipeline.records.rebuilding import LEDGER_ROWS
from dialnexa_pipeline.records.tables import OUTCOMES
from dialnexa_pipeline.records.warehouse import RecordTables, open_records

ENROLMENT_STATES = ("enrolled", "withdrawn")
RESOLVED = "resolved"
# What the ledger and the warehouse count, by state or outcome.
_Sides = tuple[Mapping[str, int], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Tally:
    """What both sides of a record table count, by state or outcome.

    Attributes:
        unrecorded: changes of the ledger that the table does not show yet, so that the sides may
            differ rightly.
    """

    table: str
    ledger: Mapping[str, int]
    warehouse: Mapping[str, int]
    unrecorded: int

    @property
    def differing(self) -> dict[str, tuple[int, int]]:
        """State or outcome → (ledger, warehouse), where they differ."""
        names = sorted(self.ledger.keys() | self.warehouse.keys())
        both = {name: (self.ledger.get(name, 0), self.warehouse.get(name, 0)) for name in names}
        return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def tally_enrolments(ledger: Ledger, warehouse_url: str, sync: str) -> Tally:
    """Rows of `dialnexa_enrolments` by state.

    Raises:
        WarehouseUnavailable: the warehouse cannot be read.
    """
    table = "dialnexa_enrolments"

    def count(records: RecordTables) -> _Sides:
        shown = records.count(table, sync, lambda rows: rows.c.state, ENROLMENT_STATES)
        return ledger.totals.enrolments(sync=sync), shown

    return _tally(ledger, warehouse_url, sync, table, count)


def tally_rejected_rows(ledger: Ledger, warehouse_url: str, sync: str) -> Tally:
    """Rows of `dialnexa_rejected_rows` by outcome, resolved ones apart.

    Raises:
        WarehouseUnavailable: the warehouse cannot be read.
    """
    table = "dialnexa_rejected_rows"

    def kind(rows: sa.Table) -> sa.ColumnElement[str]:
        return sa.case((rows.c.resolved_at.is_not(None), RESOLVED), else_=rows.c.outcome)

    def count(records: RecordTables) -> _Sides:
        return ledger.totals.rejected_rows(sync=sync), records.count(
            table, sync, kind, (RESOLVED, *OUTCOMES)
        )

    return _tally(ledger, warehouse_url, sync, table, count)


def tally_counts(ledger: Ledger, warehouse_url: str, sync: str, plan: Plan | None) -> Tally:
    """What `dialnexa_enrolment_counts` adds up to for a plan's run and partition, by outcome.

    Without a plan there is nothing that it should show.

    Raises:
        WarehouseUnavailable: the warehouse cannot be read.
    """
    table = "dialnexa_enrolment_counts"

    def count(records: RecordTables) -> _Sides:
        if plan is None:
            return {}, {}
        rows = list(counts_of(ledger.accounts.of_plan(plan.plan_id)))
        meant = {name: sum(getattr(row, name) for row in rows) for name in OUTCOMES}
        shown = records.add_up(
            table, sync, OUTCOMES, run_id=plan.run_id, partition_key=plan.partition_key
        )
        return meant, shown

    return _tally(ledger, warehouse_url, sync, table, count)


def _tally(
    ledger: Ledger,
    warehouse_url: str,
    sync: str,
    table: str,
    count: Callable[[RecordTables], _Sides],
) -> Tally:
    # Whoever records holds the tables alone, so nothing is written between the two counts; what
    # the ledger changes meanwhile is counted as unrecorded.
    with open_records(warehouse_url) as records:
        of_ledger, of_warehouse = count(records)
        pending = ledger.accounts.pending(sync, LEDGER_ROWS[table][0])
    return Tally(table, of_ledger, of_warehouse, len(pending.change_ids))
