"""The ledger's rejected rows: what stands between a lead and its enrolment."""

from datetime import datetime

import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.ledger.columnar import columns_relation
from dialnexa_pipeline.ledger.numbering import numbers_of_batch, of_batch
from dialnexa_pipeline.ledger.records import REFUSED, REPLAY, Batch, Plan
from dialnexa_pipeline.ledger.tables import (
    BATCH_OF_CLAIM,
    CLAIMS_OF_BATCH,
    PLACE_BITS,
    batches,
    claim_states,
    claims,
    plan_reads,
    rejected_rows,
)

# A lead seen again keeps the moment it was first seen, and stands in the way again. A replay leaves
# it in the partition that reads it, whose next run resolves it when it is gone.
_ON_CONFLICT = (
    "ON CONFLICT (sync, workflow_id, lead_key) DO UPDATE SET "
    "outcome = excluded.outcome, reason = excluded.reason, detail = excluded.detail, "
    "raw_phone = excluded.raw_phone, phone = excluded.phone, batch_id = excluded.batch_id, "
    "plan_id = excluded.plan_id, partition_key = CASE excluded.partition_key "
    f"WHEN '{REPLAY}' THEN rejected_rows.partition_key ELSE excluded.partition_key END, "
    "last_seen_at = excluded.last_seen_at, resolved_at = NULL, change_id = excluded.change_id"
)


def upsert_rejected_rows(
    connection: sa.Connection, plan: Plan, rows: pa.Table, *, now: datetime, change_id: int
) -> None:
    """Add or renew rows that screening or planning refused; columns as in `REFUSED`."""
    relation = columns_relation(
        connection.dialect.name, {name: rows[name].combine_chunks() for name in REFUSED.names}
    )
    names = ", ".join(REFUSED.names)
    connection.execute(
        sa.text(
            f"INSERT INTO rejected_rows ({names}, sync, plan_id, partition_key, batch_id, "
            f"first_seen_at, last_seen_at, change_id) SELECT {names}, :sync, :plan_id, "
            f":partition_key, NULL, :now, :now, :change_id FROM {relation.sql} AS asked "
            f"WHERE true ORDER BY workflow_id, lead_key {_ON_CONFLICT}"
        ).bindparams(sa.bindparam("now", type_=rejected_rows.c.first_seen_at.type)),
        {
            "sync": plan.sync,
            "plan_id": plan.plan_id,
            "partition_key": plan.partition_key,
            "now": now,
            "change_id": change_id,
            **relation.parameters,
        },
    )


def list_unenrolled_claims(
    connection: sa.Connection, batch: Batch, *, now: datetime, change_id: int
) -> None:
    """Copy a batch's claims that are not enrolled into the rejected rows, by their state."""
    if not _has_unenrolled_claims(connection, batch):
        return
    first, last = numbers_of_batch(batch.batch_no)
    connection.execute(
        sa.text(
            "INSERT INTO rejected_rows (workflow_id, lead_key, outcome, reason, detail, raw_phone,"
            " phone, sync, plan_id, partition_key, batch_id, first_seen_at, last_seen_at, "
            "change_id) "
            "SELECT claims.workflow_id, claims.lead_key, "
            "CASE claims.state WHEN 'released' THEN 'planned' WHEN 'withdrawn' THEN 'suppressed' "
            "ELSE claims.state END, "
            "COALESCE(claims.reason, 'planned/not_sent'), claims.detail, claims.raw_phone, "
            "'+' || CAST(claims.phone AS TEXT), claims.sync, claims.plan_id, "
            ":partition_key, claims.batch_id, :now, :now, :change_id "
            "FROM claim_states AS claims "
            "WHERE claims.claim_no BETWEEN :first AND :last AND claims.state <> 'enrolled' "
            # Withdrawn with a reason: before it was sent.
            "AND (claims.state <> 'withdrawn' OR claims.reason IS NOT NULL) "
            # A lead that was enrolled meanwhile, through another batch, stands in nobody's way.
            "AND NOT EXISTS (SELECT 1 FROM claims AS other "
            f"JOIN batches ON batches.batch_no = other.claim_no >> {PLACE_BITS} "
            "WHERE other.live AND other.phone = claims.phone "
            "AND other.workflow_no = (SELECT workflow_no FROM workflows "
            "WHERE workflow_id = :workflow_id) "
            "AND COALESCE(other.state, batches.state) = 'enrolled' AND batches.sync = claims.sync "
            "AND other.lead_key = claims.lead_key) "
            "ORDER BY claims.workflow_id, claims.lead_key "
            f"{_ON_CONFLICT}"
        ).bindparams(sa.bindparam("now", type_=rejected_rows.c.first_seen_at.type)),
        {
            "now": now,
            "change_id": change_id,
            "first": first,
            "last": last,
            "partition_key": batch.partition_key,
            "workflow_id": batch.workflow_id,
        },
    )


def _has_unenrolled_claims(connection: sa.Connection, batch: Batch) -> bool:
    """False for the batch that is enrolled whole: two steps in an index instead of all its rows."""
    state = connection.scalar(
        sa.select(batches.c.state).where(batches.c.batch_no == batch.batch_no)
    )
    if state != "enrolled":
        return True
    others = sa.select(sa.literal(1)).where(
        of_batch(batch.batch_no),
        claims.c.state.in_(("rejected", "released", "withdrawn")),
    )
    return connection.scalar(others.limit(1)) is not None


def resolve_enrolled(
    connection: sa.Connection, batch: Batch, *, now: datetime, change_id: int
) -> None:
    """Mark rejected rows whose lead is enrolled now as resolved."""
    if not _lists_claimed_leads(connection, batch):
        return
    first, last = numbers_of_batch(batch.batch_no)
    connection.execute(
        sa.text(
            "UPDATE rejected_rows SET resolved_at = :now, change_id = :change_id "
            "WHERE resolved_at IS NULL AND (sync, workflow_id, lead_key) IN ("
            "SELECT sync, workflow_id, lead_key FROM claim_states "
            "WHERE claim_no BETWEEN :first AND :last AND state = 'enrolled')"
        ).bindparams(sa.bindparam("now", type_=rejected_rows.c.resolved_at.type)),
        {"now": now, "change_id": change_id, "first": first, "last": last},
    )


def _lists_claimed_leads(connection: sa.Connection, batch: Batch) -> bool:
    """False when no open row can be of a lead that this batch claims.

    What the batch's own plan refused it did not claim; so rows matter that another plan listed, or
    that were listed as claims of a batch. Each question is one step in the index of open rows.
    """
    open_rows = sa.select(sa.literal(1)).where(
        rejected_rows.c.sync == batch.sync, rejected_rows.c.resolved_at.is_(None)
    )
    questions = (
        open_rows.where(rejected_rows.c.plan_id < batch.plan_id),
        open_rows.where(rejected_rows.c.plan_id > batch.plan_id),
        open_rows.where(
            rejected_rows.c.plan_id == batch.plan_id, rejected_rows.c.batch_id.is_not(None)
        ),
    )
    return any(connection.scalar(question.limit(1)) is not None for question in questions)


def resolve_not_seen_again(
    connection: sa.Connection, plan: Plan, *, now: datetime, change_id: int
) -> None:
    """Resolve rejected rows of earlier plans that this plan has neither refused nor claimed again.

    A lead that is only planned again is resolved once it is enrolled, and one in doubt once its
    batch is settled. An earlier planner may have listed it as in doubt when it was settled already.
    A plan that read only what changed says nothing of the rows that it did not read.
    """
    since = sa.select(plan_reads.c.since).where(plan_reads.c.plan_id == plan.plan_id)
    if connection.scalar(since) is not None:
        _resolve_surely_gone(connection, plan, now=now, change_id=change_id)
        return
    key = (rejected_rows.c.sync, rejected_rows.c.workflow_id, rejected_rows.c.lead_key)
    before = sa.select(*key).where(
        rejected_rows.c.sync == plan.sync,
        rejected_rows.c.partition_key.in_((plan.partition_key, *plan.covers)),
        rejected_rows.c.plan_id != plan.plan_id,
        rejected_rows.c.resolved_at.is_(None),
    )
    if connection.execute(before.limit(1)).first() is None:
        return
    of_claim = (claim_states.c.sync, claim_states.c.workflow_id, claim_states.c.lead_key)
    planned_again = sa.select(*of_claim).where(
        claim_states.c.plan_id == plan.plan_id, claim_states.c.state == "planned"
    )
    unsettled = (
        sa.select(*of_claim)
        .join(batches, batches.c.batch_no == claim_states.c.batch_no)
        .where(
            batches.c.sync == plan.sync,
            batches.c.state.in_(("sending", "in_doubt")),
            claim_states.c.state.in_(("planned", "in_doubt")),
        )
    )
    # Sorted lists. A join or NOT IN may look at every claim for every row: PostgreSQL chooses
    # by statistics, which do not know the rows of this very transaction.
    gone = sa.except_(before, planned_again, unsettled)
    connection.execute(
        sa.update(rejected_rows)
        .where(sa.tuple_(*key).in_(gone))
        .values(resolved_at=now, change_id=change_id)
    )


def _resolve_surely_gone(
    connection: sa.Connection, plan: Plan, *, now: datetime, change_id: int
) -> None:
    """Resolve rows whose lead is enrolled, or was met by this plan under another workflow."""
    open_rows = (
        "SELECT sync, workflow_id, lead_key FROM rejected_rows WHERE sync = :sync "
        "AND partition_key = :partition_key AND plan_id <> :plan_id AND resolved_at IS NULL"
    )
    claimed = f"FROM batches JOIN claims ON {CLAIMS_OF_BATCH}"
    connection.execute(
        sa.text(
            "UPDATE rejected_rows SET resolved_at = :now, change_id = :change_id "
            "WHERE (sync, workflow_id, lead_key) IN ("
            f"{open_rows} AND EXISTS (SELECT 1 FROM claims JOIN batches ON {BATCH_OF_CLAIM} "
            "WHERE claims.live "
            "AND claims.phone = CAST(substr(rejected_rows.phone, 2) AS BIGINT) "
            "AND claims.lead_key = rejected_rows.lead_key AND batches.sync = rejected_rows.sync "
            "AND batches.workflow_id = rejected_rows.workflow_id "
            "AND COALESCE(claims.state, batches.state) = 'enrolled') UNION "
            # A key is one row of the source, which is in one workflow.
            f"SELECT * FROM ({open_rows} AND lead_key IN ("
            "SELECT lead_key FROM rejected_rows WHERE sync = :sync AND plan_id = :plan_id "
            f"UNION SELECT claims.lead_key {claimed} WHERE batches.plan_id = :plan_id) EXCEPT "
            f"SELECT batches.sync, batches.workflow_id, claims.lead_key {claimed} "
            "WHERE batches.plan_id = :plan_id) AS moved)"
        ).bindparams(sa.bindparam("now", type_=rejected_rows.c.resolved_at.type)),
        {
            "now": now,
            "change_id": change_id,
            "sync": plan.sync,
            "partition_key": plan.partition_key,
            "plan_id": plan.plan_id,
        },
    )
