"""Totals over a sync: what its record tables add up to, and how much its runs refused."""

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from dialnexa_pipeline.ledger.accounts import claims_by_state
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import REPLAY, Plan
from dialnexa_pipeline.ledger.tables import batches, plan_counts, plans, rejected_rows


@dataclass(frozen=True, slots=True)
class RefusedShare:
    """How many of a plan's source rows screening refused."""

    source_rows: int
    refused: int

    @property
    def rate(self) -> float:
        return self.refused / self.source_rows if self.source_rows else 0.0


class Totals:
    """Counts that cost little, however many rows they count."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def enrolments(self, *, sync: str) -> dict[str, int]:
        """State → rows that `dialnexa_enrolments` shows of a sync."""
        found: Counter[str] = Counter()
        with self._database.transaction() as connection:
            for each in claims_by_state(connection, batches.c.sync == sync):
                # With a reason a claim was withdrawn before it was sent.
                if each.state == "enrolled" or (each.state == "withdrawn" and each.reason is None):
                    found[each.state] += each.leads
        return dict(found)

    def rejected_rows(self, *, sync: str) -> dict[str, int]:
        """Outcome → rows that `dialnexa_rejected_rows` shows of a sync; resolved ones apart."""
        resolved = rejected_rows.c.resolved_at.is_not(None)
        outcome = sa.case((resolved, "resolved"), else_=rejected_rows.c.outcome).label("outcome")
        counted = sa.select(outcome, sa.func.count()).where(rejected_rows.c.sync == sync)
        with self._database.transaction() as connection:
            rows = connection.execute(counted.group_by(sa.text("1")))
            return {row[0]: int(row[1]) for row in rows}

    def refused_shares(
        self, *, before: Plan, of_rows: int = 1, runs: int = 10
    ) -> list[RefusedShare]:
        """What the sync's earlier plans refused, newest first.

        Plans that a guard held are left out, because what was held is not usual, and replayed
        sheets, of which only mended rows are planned.

        Args:
            of_rows: plans of fewer source rows are left out.
        """
        refused = sa.func.coalesce(sa.func.sum(plan_counts.c.leads), 0)
        invalid = sa.and_(
            plan_counts.c.plan_id == plans.c.plan_id, plan_counts.c.outcome == "invalid"
        )
        statement = (
            sa.select(plans.c.source_rows, refused)
            .join(plan_counts, invalid, isouter=True)
            .where(plans.c.sync == before.sync, plans.c.plan_id != before.plan_id)
            .where(plans.c.ready_at.is_not(None), plans.c.held_by.is_(None))
            .where(plans.c.source_rows >= of_rows, plans.c.partition_key != REPLAY)
            .group_by(plans.c.plan_id, plans.c.source_rows, plans.c.created_at)
            .order_by(plans.c.created_at.desc())
            .limit(runs)
        )
        with self._database.transaction() as connection:
            return [RefusedShare(int(row[0]), int(row[1])) for row in connection.execute(statement)]
