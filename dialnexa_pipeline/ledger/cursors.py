"""Cursors of unpartitioned syncs: how far every source row is settled, by what plans read."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa

from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import Plan
from dialnexa_pipeline.ledger.tables import (
    BATCH_AND_CLAIM_OF_LIVE,
    CLAIMS_OF_BATCH,
    approvals,
    batches,
    claims,
    corrections,
    plan_counts,
    plan_reads,
    plans,
    rejected_rows,
)

# Batches whose leads may still be sent; those of a released one are for a later plan.
_OPEN_BATCHES = ("planned", "sending", "failed", "in_doubt", "released")
_OPEN_OUTCOMES = ("planned", "in_doubt", "deferred")
# Somebody else held the number when the lead was refused, and nobody was enrolled with it.
_UNSURE_DUPLICATES = (
    "SELECT count(*) FROM rejected_rows WHERE rejected_rows.sync = :sync "
    "AND rejected_rows.partition_key = '' AND rejected_rows.resolved_at IS NULL "
    "AND rejected_rows.reason = 'duplicate/same_number' AND NOT EXISTS ("
    f"SELECT 1 FROM live_claims {BATCH_AND_CLAIM_OF_LIVE} "
    "WHERE live_claims.phone = CAST(substr(rejected_rows.phone, 2) AS BIGINT) "
    "AND batches.workflow_id = rejected_rows.workflow_id "
    "AND COALESCE(claims.state, batches.state) IN ('enrolled', 'withdrawn')) "
    # Unless DialNexa refused the number itself, from the very plan that refused the lead.
    f"AND NOT EXISTS (SELECT 1 FROM batches JOIN claims ON {CLAIMS_OF_BATCH} "
    "WHERE batches.plan_id = rejected_rows.plan_id "
    "AND batches.workflow_id = rejected_rows.workflow_id AND claims.state = 'rejected' "
    "AND claims.phone = CAST(substr(rejected_rows.phone, 2) AS BIGINT))"
)


@dataclass(frozen=True, slots=True)
class PlanRead:
    """What a plan reads of its source.

    Attributes:
        fingerprint: of all that screening depends on.
        since: rows of this moment or later, and rows without one; None for everything.
        until: the newest moment that is surely read; None when there was none.
        began_at: the ledger's clock when reading began.
    """

    fingerprint: str
    since: datetime | None
    until: datetime | None
    began_at: datetime

    def as_text(self) -> str:
        """JSON, for the metadata of a staged file."""
        return json.dumps(asdict(self), default=lambda moment: moment.isoformat())

    @classmethod
    def of_text(cls, text: str | bytes) -> "PlanRead":
        values: dict[str, str | None] = json.loads(text)
        moments = {
            name: datetime.fromisoformat(value) if value is not None else None
            for name, value in values.items()
            if name != "fingerprint"
        }
        began_at = moments["began_at"]
        assert began_at is not None
        return cls(str(values["fingerprint"]), moments["since"], moments["until"], began_at)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a sync has come.

    Attributes:
        settled_until: every row of this moment or earlier is settled; None when that is not known.
        fully_read_at: when a plan that read everything began; None when none did.
        unsure_duplicates: leads refused for a number with which nobody is enrolled after all.
        now: the ledger's clock.
    """

    settled_until: datetime | None
    fully_read_at: datetime | None
    unsure_duplicates: int
    now: datetime


class Cursors:
    """A cursor is never written: it follows from the newest plan of which nothing is open."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def note(self, plan: Plan, read: PlanRead) -> None:
        """Write down what an open plan reads."""
        with self._database.transaction() as connection:
            connection.execute(sa.insert(plan_reads).values(plan_id=plan.plan_id, **asdict(read)))

    def of(self, sync: str, fingerprint: str) -> Cursor:
        """The cursor of a sync, by its plans with this fingerprint.

        A plan that began at an earlier cursor and has nothing open settles all that it read, so
        whatever an unfinished plan before it left open, it has taken up. Not so what was corrected
        since it began, as long as that lead still stands in the way.
        """
        of_sync = (
            plans.c.sync == sync,
            plans.c.partition_key == "",
            plans.c.ready_at.is_not(None),
            plan_reads.c.fingerprint == fingerprint,
        )
        reads = plan_reads.join(plans, plans.c.plan_id == plan_reads.c.plan_id)
        newest = sa.select(sa.func.max(plan_reads.c.until)).select_from(reads)
        full = sa.select(sa.func.max(plan_reads.c.began_at)).select_from(reads)
        with self._database.reading() as connection:
            corrected_at = connection.scalar(_newest_waiting_correction(sync))
            settled = newest.where(*of_sync, *_is_settled())
            if corrected_at is not None:
                settled = settled.where(plan_reads.c.began_at >= corrected_at)
            return Cursor(
                connection.scalar(settled),
                connection.scalar(full.where(*of_sync, plan_reads.c.since.is_(None))),
                int(connection.scalar(sa.text(_UNSURE_DUPLICATES), {"sync": sync}) or 0),
                self._database.now(connection),
            )


def _newest_waiting_correction(sync: str) -> sa.Select[tuple[datetime]]:
    """When the newest correction was made of a lead that is not enrolled by it: a later run is to.

    What a replayed sheet planned and never sent, or sent in vain, is such a lead's as well.
    """
    standing = sa.select(rejected_rows.c.lead_key).where(
        rejected_rows.c.sync == sync, rejected_rows.c.resolved_at.is_(None)
    )
    return sa.select(sa.func.max(corrections.c.made_at)).where(
        corrections.c.sync == sync, corrections.c.lead_key.in_(standing)
    )


def _is_settled() -> tuple[sa.ColumnElement[bool], ...]:
    """Every lead of a plan has come to an end, so that no later plan need see it again."""
    of_plan = batches.c.plan_id == plans.c.plan_id
    open_batch = sa.exists().where(
        of_plan, batches.c.state.in_(_OPEN_BATCHES), batches.c.row_count > 0
    )

    def claim_of_plan(*which: sa.ColumnElement[bool]) -> sa.Exists:
        of_batches = batches.join(claims, sa.text(CLAIMS_OF_BATCH))
        return sa.exists(sa.select(sa.literal(1)).select_from(of_batches).where(of_plan, *which))

    # Proved absent from a batch whose other rows are enrolled.
    released = claim_of_plan(claims.c.state == "released")
    # The request budget ended before DialNexa judged them.
    unresolved = claim_of_plan(
        claims.c.state == "rejected", claims.c.reason == "rejected/unresolved"
    )
    open_outcome = sa.exists().where(
        plan_counts.c.plan_id == plans.c.plan_id, plan_counts.c.outcome.in_(_OPEN_OUTCOMES)
    )
    approved = sa.exists().where(approvals.c.used_by_plan == plans.c.plan_id)
    return (
        ~open_batch,
        ~released,
        ~unresolved,
        ~open_outcome,
        sa.or_(plans.c.held_by.is_(None), approved),
    )
