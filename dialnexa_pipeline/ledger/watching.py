"""What somebody who watches every sync asks the ledger, in few and short questions."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dialnexa_pipeline.ledger.accounts import claims_by_state
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import Plan
from dialnexa_pipeline.ledger.tables import (
    CLAIMS_OF_BATCH,
    batches,
    claims,
    plan_counts,
    plans,
    rejected_rows,
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A batch whose answer is unknown.

    Attributes:
        run_id: the run that sent it.
        is_held: its rows are proved absent, and a person decides about them.
    """

    sync: str
    partition_key: str
    rows: int
    since: datetime
    run_id: str | None
    is_held: bool


@dataclass(frozen=True, slots=True)
class ReadyPlan:
    """A plan that was ready to be sent, and how many of its rows were refused, and by whom.

    Attributes:
        invalid: rows that screening refused.
        rejected: rows that DialNexa refused, as far as it was asked.
    """

    plan: Plan
    ready_at: datetime
    source_rows: int
    invalid: int
    rejected: int


@dataclass(frozen=True, slots=True)
class UnsentLeads:
    """Leads of the newest plan of a sync and partition that nobody sends of itself.

    Attributes:
        planned: in batches that materialising `enrolments` sends.
        again: their call was refused, or DialNexa never received them; a new plan takes them up.
    """

    plan: Plan
    planned: int
    again: int


class Watching:
    """Reads over all syncs at once."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def doubts(self) -> list[Doubt]:
        """Batches in doubt, the longest first."""
        statement = (
            sa.select(
                batches.c.sync,
                batches.c.partition_key,
                batches.c.row_count,
                batches.c.in_doubt_since,
                batches.c.sent_by_run,
                sa.and_(batches.c.hold_absent, batches.c.absence_proved_at.is_not(None)),
            )
            .where(batches.c.state == "in_doubt", batches.c.in_doubt_since.is_not(None))
            .order_by(batches.c.in_doubt_since)
        )
        with self._database.transaction() as connection:
            return [Doubt(*row) for row in connection.execute(statement)]

    def unsent(self) -> list[UnsentLeads]:
        """Plans that stand and are not being sent right now, but have leads left, by sync."""
        is_left = sa.exists().where(
            batches.c.plan_id == plans.c.plan_id,
            batches.c.state.in_(("planned", "failed")),
            batches.c.row_count > 0,
        )
        is_sending = sa.exists().where(
            batches.c.plan_id == plans.c.plan_id, batches.c.state == "sending"
        )
        # Proved absent: the batch is settled, and the lead stands among the rejected rows.
        absent = (
            sa.select(sa.func.count())
            .select_from(
                rejected_rows.join(batches, batches.c.batch_id == rejected_rows.c.batch_id)
            )
            .where(
                rejected_rows.c.sync == plans.c.sync,
                rejected_rows.c.plan_id == plans.c.plan_id,
                rejected_rows.c.resolved_at.is_(None),
                rejected_rows.c.outcome == "planned",
                batches.c.state.not_in(("planned", "failed")),
            )
            .correlate(plans)
            .scalar_subquery()
        )
        standing = (
            sa.select(plans, is_left.label("is_left"), absent.label("absent"))
            .where(plans.c.state == "ready", ~is_sending)
            .order_by(plans.c.sync, plans.c.partition_key)
        )
        found: list[UnsentLeads] = []
        with self._database.transaction() as connection:
            for row in connection.execute(standing).all():
                left: Counter[str] = Counter()
                if row.is_left:
                    of_plan = batches.c.plan_id == row.plan_id
                    for each in claims_by_state(connection, of_plan):
                        left[each.state] += each.leads
                again = left["failed"] + int(row.absent)
                if left["planned"] or again:
                    plan = Plan(row.plan_id, row.sync, row.partition_key, row.run_id)
                    found.append(UnsentLeads(plan, left["planned"], again))
        return found

    def ready_plans(self, *, after: datetime, until: datetime | None = None) -> list[ReadyPlan]:
        """Plans that became ready in a period, whether replaced since or not, oldest first."""
        invalid = (
            sa.select(sa.func.coalesce(sa.func.sum(plan_counts.c.leads), 0))
            .where(plan_counts.c.plan_id == plans.c.plan_id, plan_counts.c.outcome == "invalid")
            .scalar_subquery()
        )
        rejected = (
            sa.select(sa.func.count())
            .select_from(batches.join(claims, sa.text(CLAIMS_OF_BATCH)))
            .where(batches.c.plan_id == plans.c.plan_id, claims.c.state == "rejected")
            .scalar_subquery()
        )
        statement = (
            sa.select(plans, invalid.label("invalid"), rejected.label("rejected"))
            .where(plans.c.ready_at > after)
            .order_by(plans.c.ready_at, plans.c.plan_id)
        )
        if until is not None:
            statement = statement.where(plans.c.ready_at <= until)
        with self._database.transaction() as connection:
            return [
                ReadyPlan(
                    Plan(row.plan_id, row.sync, row.partition_key, row.run_id),
                    row.ready_at,
                    row.source_rows or 0,
                    int(row.invalid),
                    int(row.rejected),
                )
                for row in connection.execute(statement)
            ]

    def enrolled(self, *, after: datetime, until: datetime) -> dict[str, int]:
        """Sync → leads that were enrolled in a period, each counted when its batch was settled."""
        settled = sa.and_(
            batches.c.state == "enrolled",
            batches.c.settled_at > after,
            batches.c.settled_at <= until,
        )
        sent = (
            sa.select(batches.c.sync, sa.func.sum(batches.c.row_count))
            .where(settled)
            .group_by(batches.c.sync)
        )
        # Withdrawn with a reason: before it was sent.
        left_out = sa.or_(
            claims.c.state.in_(("rejected", "released")),
            sa.and_(claims.c.state == "withdrawn", claims.c.reason.is_not(None)),
        )
        not_enrolled = (
            sa.select(batches.c.sync, sa.func.count())
            .join(claims, sa.text(CLAIMS_OF_BATCH))
            .where(settled, left_out)
            .group_by(batches.c.sync)
        )
        with self._database.transaction() as connection:
            totals = {row[0]: int(row[1]) for row in connection.execute(sent)}
            for sync, leads in connection.execute(not_enrolled):
                totals[sync] -= int(leads)
        return totals
