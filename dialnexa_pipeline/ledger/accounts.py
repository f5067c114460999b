"""Reading the ledger: accounts of plans, and rows that the record tables follow."""

from collections import Counter
from collections.abc import Collection, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.ledger.changes import RecordTable, mark_recorded, pending_changes
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.enrolled import enrolled_leads
from dialnexa_pipeline.ledger.gathering import Gathering
from dialnexa_pipeline.ledger.records import REPLAY, Account, Batch, Count, Plan, RefusedRow
from dialnexa_pipeline.ledger.tables import (
    CLAIMS_OF_BATCH,
    OWN_STATES,
    batches,
    claims,
    plan_counts,
    plans,
    rejected_rows,
)
from dialnexa_pipeline.ledger.transitions import select_batches

_READ_ROWS = 20_000
_REJECTIONS = sa.select(
    rejected_rows.c.sync,
    rejected_rows.c.workflow_id,
    rejected_rows.c.lead_key,
    rejected_rows.c.outcome,
    rejected_rows.c.reason,
    rejected_rows.c.detail,
    rejected_rows.c.raw_phone,
    rejected_rows.c.phone,
    rejected_rows.c.batch_id,
    plans.c.run_id,
    rejected_rows.c.partition_key,
    rejected_rows.c.first_seen_at,
    rejected_rows.c.last_seen_at,
    rejected_rows.c.resolved_at,
).join(plans, plans.c.plan_id == rejected_rows.c.plan_id)
# A change touches rows of one plan, at one moment; leads that left the source aside.
_REJECTIONS_OF_CHANGE = Gathering(
    _REJECTIONS.where(rejected_rows.c.change_id == sa.bindparam("of_change")),
    alike=(
        "sync",
        "detail",
        "batch_id",
        "run_id",
        "partition_key",
        "last_seen_at",
        "resolved_at",
    ),
)


@dataclass(frozen=True, slots=True)
class PendingChanges:
    """What one record table does not show yet."""

    change_ids: tuple[int, ...]
    batch_ids: tuple[str, ...]
    plan_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecordedRejection:
    """One row of `dialnexa_rejected_rows`."""

    sync: str
    workflow_id: str
    lead_key: str
    outcome: str
    reason: str
    detail: str | None
    raw_phone: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    batch_id: str | None
    run_id: str
    partition_key: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None


class Accounts:
    """Reads of plans, counts and record rows."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def of_plan(self, plan_id: str) -> Account:
        """The account of a plan: counts from screening and planning, and from its claims."""
        with self._database.transaction() as connection:
            plan = connection.execute(sa.select(plans).where(plans.c.plan_id == plan_id)).one()
            return Account(
                Plan(plan.plan_id, plan.sync, plan.partition_key, plan.run_id),
                plan.source_rows or 0,
                tuple(_counts(connection, plan_id)),
            )

    def latest(self, *, sync: str) -> list[Account]:
        """The account of the newest ready plan of each partition of a sync's source."""
        newest: dict[str, str] = {}
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.select(plans.c.partition_key, plans.c.plan_id)
                .where(plans.c.sync == sync, plans.c.state == "ready")
                .where(plans.c.partition_key != REPLAY)
                .order_by(plans.c.created_at)
            )
            for row in rows:
                newest[row.partition_key] = row.plan_id
        return [self.of_plan(plan_id) for plan_id in newest.values()]

    def enrolled(self, *, sync: str, partition_key: str) -> int:
        """Leads of a sync and partition that are enrolled now, by whichever run."""
        of_partition = sa.and_(batches.c.sync == sync, batches.c.partition_key == partition_key)
        with self._database.transaction() as connection:
            return sum(
                each.leads
                for each in claims_by_state(connection, of_partition)
                if each.state == "enrolled"
            )

    def recent_planned(self, *, sync: str, runs: int = 10) -> list[int]:
        """Leads that the newest plans of a sync sent, newest first.

        Batches that were refused whole, or never arrived, do not count, nor do replayed sheets.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.select(plans.c.plan_id, sa.func.sum(batches.c.row_count))
                .join(batches, batches.c.plan_id == plans.c.plan_id)
                .where(plans.c.sync == sync, plans.c.partition_key != REPLAY)
                .where(batches.c.sent_at.is_not(None))
                .where(batches.c.state.not_in(("planned", "failed", "released")))
                .where(batches.c.parent_batch_id.is_(None))
                .group_by(plans.c.plan_id, plans.c.created_at)
                .order_by(plans.c.created_at.desc())
                .limit(runs)
            )
            return [int(row[1]) for row in rows]

    def pending(self, sync: str, table: RecordTable) -> PendingChanges:
        """What a record table does not show yet, for one sync."""
        with self._database.reading() as connection:
            rows = pending_changes(connection, sync, table)
        return PendingChanges(
            tuple(row.change_id for row in rows),
            tuple({row.batch_id: None for row in rows if row.batch_id}),
            tuple({row.plan_id: None for row in rows}),
        )

    def mark_recorded(self, change_ids: Collection[int], table: RecordTable) -> None:
        """The warehouse's transaction is committed: `table` shows these changes."""
        with self._database.transaction() as connection:
            mark_recorded(connection, change_ids, table)

    def enrolments_of(self, batch_ids: Collection[str]) -> Generator[pa.Table]:
        """Enrolled and withdrawn leads of some batches, a table each (`ledger.enrolled`)."""
        for batch_id in batch_ids:
            with self._database.reading() as connection:
                leads = enrolled_leads(connection, batch_id)
            # Not within the transaction: whoever takes them may be busy for long.
            yield leads

    def rejections_changed(self, change_ids: Collection[int]) -> Generator[pa.Table]:
        """Rejected rows last touched by some changes, in tables of bounded size.

        Each has the columns of `dialnexa_rejected_rows`.
        """
        for change_id in change_ids:
            with self._database.reading() as connection:
                rows = _REJECTIONS_OF_CHANGE.read(connection, {"of_change": change_id})
            for start in range(0, rows.num_rows, _READ_ROWS):
                yield rows.slice(start, _READ_ROWS)

    def syncs(self) -> list[str]:
        """Every sync that has planned something, by name."""
        with self._database.transaction() as connection:
            names = sa.select(plans.c.sync).distinct().order_by(plans.c.sync)
            return list(connection.execute(names).scalars())

    def counted_plans(self, sync: str) -> list[str]:
        """Plans that the counts show, oldest first.

        That is the newest of each run and partition that was ever ready: a plan that ended before
        has not seen every source row.
        """
        statement = (
            sa.select(plans.c.run_id, plans.c.partition_key, plans.c.plan_id)
            .where(plans.c.sync == sync, plans.c.ready_at.is_not(None))
            .order_by(plans.c.created_at, plans.c.plan_id)
        )
        with self._database.transaction() as connection:
            newest = {(row[0], row[1]): row[2] for row in connection.execute(statement)}
        return list(newest.values())

    def all_enrolments(self, sync: str) -> Iterator[pa.Table]:
        """Every enrolled and withdrawn lead of a sync, batch by batch."""
        with self._database.transaction() as connection:
            ids = sa.select(batches.c.batch_id).where(batches.c.sync == sync)
            batch_ids = list(connection.execute(ids).scalars())
        yield from self.enrolments_of(batch_ids)

    def sent_batches(self, sync: str) -> list[Batch]:
        """Batches of a sync that were sent and may have enrolled somebody, oldest first."""
        return select_batches(
            self._database,
            batches.c.sync == sync,
            batches.c.sent_at.is_not(None),
            batches.c.state.in_(("enrolled", "in_doubt")),
        )

    def all_rejections(self, sync: str) -> Iterator[list[RecordedRejection]]:
        """Every rejected row of a sync, resolved or not, in pieces of bounded size."""
        key = sa.tuple_(rejected_rows.c.workflow_id, rejected_rows.c.lead_key)
        after = ("", "")
        while True:
            statement = (
                _REJECTIONS.where(rejected_rows.c.sync == sync, key > after)
                .order_by(rejected_rows.c.workflow_id, rejected_rows.c.lead_key)
                .limit(_READ_ROWS)
            )
            with self._database.transaction() as connection:
                rows = [RecordedRejection(*row) for row in connection.execute(statement)]
            if not rows:
                return
            after = (rows[-1].workflow_id, rows[-1].lead_key)
            yield rows

    def rejected_sample(self, plan: Plan, limit: int) -> list[RefusedRow]:
        """Some rows of a plan that are not enrolled, in the order of workflow and key."""
        names = [rejected_rows.c[name] for name in RefusedRow.__dataclass_fields__]
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.select(*names)
                .where(rejected_rows.c.sync == plan.sync)
                .where(rejected_rows.c.plan_id == plan.plan_id)
                .where(rejected_rows.c.resolved_at.is_(None))
                .order_by(rejected_rows.c.workflow_id, rejected_rows.c.lead_key)
                .limit(limit)
            )
            return [RefusedRow(*row) for row in rows]

    def batch_counts(self) -> dict[str, int]:
        """Batch state → how many batches, over all syncs."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.select(batches.c.state, sa.func.count()).group_by(batches.c.state)
            )
            return {row[0]: int(row[1]) for row in rows}


class _ClaimsInState(NamedTuple):
    workflow_id: str
    state: str
    reason: str | None
    leads: int


def _counts(connection: sa.Connection, plan_id: str) -> Iterator[Count]:
    screened = connection.execute(
        sa.select(
            plan_counts.c.workflow_id,
            plan_counts.c.outcome,
            plan_counts.c.reason,
            plan_counts.c.leads,
        ).where(plan_counts.c.plan_id == plan_id)
    )
    for row in screened:
        yield Count(row.workflow_id, row.outcome, row.reason, int(row.leads))
    leads: Counter[tuple[str, str, str]] = Counter()
    for row in claims_by_state(connection, batches.c.plan_id == plan_id):
        outcome, reason = _outcome(row.state, row.reason)
        leads[row.workflow_id, outcome, reason] += row.leads
    for (workflow_id, outcome, reason), number in leads.items():
        yield Count(workflow_id, outcome, reason, number)


def claims_by_state(
    connection: sa.Connection, which: sa.ColumnElement[bool]
) -> Iterator[_ClaimsInState]:
    """Claims of some batches; those that say nothing themselves are counted by their batches."""
    of_batches: Counter[tuple[str, str, str | None]] = Counter()
    rows = connection.execute(
        sa.select(
            batches.c.workflow_id,
            batches.c.state,
            batches.c.reason,
            sa.func.sum(batches.c.row_count),
        )
        # A refused batch has handed on what it did not reject.
        .where(which, batches.c.state != "rejected")
        .group_by(batches.c.workflow_id, batches.c.state, batches.c.reason)
    )
    for workflow_id, state, reason, leads in rows:
        of_batches[workflow_id, state, reason] += int(leads)
    own = (
        batches.c.workflow_id,
        batches.c.state.label("batch_state"),
        batches.c.reason.label("batch_reason"),
        claims.c.state,
        claims.c.reason,
    )
    rows = connection.execute(
        sa.select(*own, sa.func.count())
        .join(claims, sa.text(CLAIMS_OF_BATCH))
        .where(which, claims.c.state.in_(OWN_STATES))
        .group_by(*own)
    )
    for workflow_id, batch_state, batch_reason, state, reason, leads in rows:
        if batch_state != "rejected":
            of_batches[workflow_id, batch_state, batch_reason] -= int(leads)
        yield _ClaimsInState(workflow_id, state, reason, int(leads))
    for (workflow_id, state, reason), leads in of_batches.items():
        if leads:
            yield _ClaimsInState(workflow_id, state, reason, leads)


def _outcome(state: str, reason: str | None) -> tuple[str, str]:
    """Outcome and reason of claims by their own state or by their batch's."""
    match state:
        case "enrolled":
            return "enrolled", "enrolled"
        case "withdrawn":
            # With a reason it was withdrawn before it was sent.
            return ("suppressed", reason) if reason is not None else ("enrolled", "enrolled")
        case "rejected" | "in_doubt":
            return state, reason or "planned/not_sent"
        case _:
            # A released claim was never sent in this run: its lead stays planned in its account.
            return "planned", reason or "planned/not_sent"
