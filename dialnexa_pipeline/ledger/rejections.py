"""The ledger's rejected rows: what stands between a lead and its enrolment."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.batch_claims import claims_of_batch, still_enrolled
from dialnexa_pipeline.ledger.bulk import (
    numbers_parameter,
    numbers_relation,
    rows_parameter,
    rows_relation,
)
from dialnexa_pipeline.ledger.columnar import Relation, columns_relation
from dialnexa_pipeline.ledger.live_claims import key_hashes
from dialnexa_pipeline.ledger.numbering import OF_BATCH, numbers_of_batch, range_of_batch
from dialnexa_pipeline.ledger.packs import unpack
from dialnexa_pipeline.ledger.records import REFUSED, REPLAY, Batch, Plan
from dialnexa_pipeline.ledger.tables import (
    BATCH_AND_CLAIM_OF_LIVE,
    CLAIM_STATE,
    batches,
    claims,
    plan_reads,
    rejected_rows,
)

_STATE_OF_BATCH = sa.select(batches.c.state).where(
    batches.c.batch_no == sa.bindparam("of_batch_no")
)
_UNENROLLED_CLAIM = (
    sa.select(sa.literal(1))
    .where(OF_BATCH, claims.c.state.in_(("rejected", "released", "withdrawn")))
    .limit(1)
)
_OF_PLAN = sa.bindparam("of_plan")
# Each is one step in the index of open rows.
_OPEN_ROWS = [
    sa.select(sa.literal(1))
    .where(rejected_rows.c.sync == sa.bindparam("of_sync"), rejected_rows.c.resolved_at.is_(None))
    .where(which)
    .limit(1)
    for which in (
        rejected_rows.c.plan_id < _OF_PLAN,
        rejected_rows.c.plan_id > _OF_PLAN,
        sa.and_(rejected_rows.c.plan_id == _OF_PLAN, rejected_rows.c.batch_id.is_not(None)),
    )
]
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


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """Rows that screening or planning refused, as the database reads them."""

    count: int
    relation: Relation

    @classmethod
    def of(cls, dialect: str, rows: pa.Table) -> "RefusedRows":
        """Make them of a table; columns as in `REFUSED`."""
        # SQLite reads the relation in its order: pages of the key are changed once for each reason,
        # and what repeats is handed over once.
        rows = rows.sort_by([(name, "ascending") for name in ("workflow_id", "reason", "lead_key")])
        columns = {name: rows[name].combine_chunks() for name in REFUSED.names}
        return cls(rows.num_rows, columns_relation(dialect, columns))


def upsert_rejected_rows(
    connection: sa.Connection, plan: Plan, rows: RefusedRows, *, now: datetime, change_id: int
) -> None:
    """Add or renew rows."""
    # One order for everybody: two planners that meet in PostgreSQL must not wait for each other.
    # SQLite would sort whole rows.
    order = "" if connection.dialect.name == "sqlite" else "ORDER BY workflow_id, lead_key"
    names = ", ".join(REFUSED.names)
    connection.execute(
        sa.text(
            f"INSERT INTO rejected_rows ({names}, sync, plan_id, partition_key, batch_id, "
            f"first_seen_at, last_seen_at, change_id) SELECT {names}, :sync, :plan_id, "
            f":partition_key, NULL, :now, :now, :change_id FROM {rows.relation.sql} AS asked "
            f"WHERE true {order} {_ON_CONFLICT}"
        ).bindparams(sa.bindparam("now", type_=rejected_rows.c.first_seen_at.type)),
        {
            "sync": plan.sync,
            "plan_id": plan.plan_id,
            "partition_key": plan.partition_key,
            "now": now,
            "change_id": change_id,
            **rows.relation.parameters,
        },
    )


def list_unenrolled_claims(
    connection: sa.Connection, batch: Batch, *, now: datetime, change_id: int
) -> None:
    """Copy a batch's claims that are not enrolled into the rejected rows, by their state."""
    if not _has_unenrolled_claims(connection, batch):
        return
    unpack(connection, batch.batch_no)
    first, last = numbers_of_batch(batch.batch_no)
    dialect = connection.dialect.name
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
            f"AND claims.claim_no NOT IN {numbers_relation(dialect)} "
            "ORDER BY claims.workflow_id, claims.lead_key "
            f"{_ON_CONFLICT}"
        ).bindparams(sa.bindparam("now", type_=rejected_rows.c.first_seen_at.type)),
        {
            "now": now,
            "change_id": change_id,
            "first": first,
            "last": last,
            "partition_key": batch.partition_key,
            "numbers": numbers_parameter(dialect, _enrolled_elsewhere(connection, batch)),
        },
    )


def _enrolled_elsewhere(connection: sa.Connection, batch: Batch) -> list[int]:
    """Claims of an unpacked batch whose lead is enrolled through another batch."""
    first, last = numbers_of_batch(batch.batch_no)
    found = connection.execute(
        sa.text(
            "SELECT given.claim_no, given.lead_key, live_claims.key_hash FROM claims AS given "
            "JOIN live_claims ON live_claims.phone = given.phone "
            "AND live_claims.workflow_no = given.workflow_no "
            f"{BATCH_AND_CLAIM_OF_LIVE} WHERE given.claim_no BETWEEN :first AND :last "
            "AND live_claims.claim_no <> given.claim_no AND batches.sync = :sync "
            f"AND {CLAIM_STATE} = 'enrolled'"
        ),
        {"first": first, "last": last, "sync": batch.sync},
    ).all()
    hashes = key_hashes([row.lead_key for row in found]).tolist()
    return [row.claim_no for row, own in zip(found, hashes, strict=True) if row.key_hash == own]


def _has_unenrolled_claims(connection: sa.Connection, batch: Batch) -> bool:
    """False for the batch that is enrolled whole: two steps in an index instead of all its rows."""
    if connection.scalar(_STATE_OF_BATCH, {"of_batch_no": batch.batch_no}) != "enrolled":
        return True
    return connection.scalar(_UNENROLLED_CLAIM, range_of_batch(batch.batch_no)) is not None


def resolve_enrolled(
    connection: sa.Connection, batch: Batch, *, now: datetime, change_id: int
) -> None:
    """Mark rejected rows whose lead is enrolled now as resolved."""
    if not _lists_claimed_leads(connection, batch):
        return
    keys = still_enrolled(connection, batch.batch_no)["lead_key"]
    if not len(keys):
        return
    relation = columns_relation(connection.dialect.name, {"lead_key": keys.combine_chunks()})
    connection.execute(
        sa.text(
            "UPDATE rejected_rows SET resolved_at = :now, change_id = :change_id "
            "WHERE resolved_at IS NULL AND sync = :sync AND workflow_id = :workflow_id "
            f"AND lead_key IN (SELECT lead_key FROM {relation.sql} AS enrolled)"
        ).bindparams(sa.bindparam("now", type_=rejected_rows.c.resolved_at.type)),
        {
            "now": now,
            "change_id": change_id,
            "sync": batch.sync,
            "workflow_id": batch.workflow_id,
            **relation.parameters,
        },
    )


def _lists_claimed_leads(connection: sa.Connection, batch: Batch) -> bool:
    """False when no open row can be of a lead that this batch claims.

    What the batch's own plan refused it did not claim; so rows matter that another plan listed, or
    that were listed as claims of a batch.
    """
    asked = {"of_sync": batch.sync, "of_plan": batch.plan_id}
    return any(connection.scalar(question, asked) is not None for question in _OPEN_ROWS)


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
    is_unsettled = sa.and_(
        batches.c.sync == plan.sync, batches.c.state.in_(("sending", "in_doubt"))
    )
    with _undecided_leads(
        connection, sa.or_(batches.c.plan_id == plan.plan_id, is_unsettled)
    ) as still_there:
        # Sorted lists. A join or NOT IN may look at every claim for every row: PostgreSQL chooses
        # by statistics, which do not know the rows of this very transaction.
        gone = sa.except_(
            before,
            sa.select(
                sa.literal(plan.sync, sa.Text), still_there.c.workflow_id, still_there.c.lead_key
            ),
        )
        connection.execute(
            sa.update(rejected_rows)
            .where(sa.tuple_(*key).in_(gone))
            .values(resolved_at=now, change_id=change_id)
        )


@contextmanager
def _undecided_leads(
    connection: sa.Connection, which: sa.ColumnElement[bool]
) -> Generator[sa.TableClause]:
    """A table, within the block, of leads whose claims say what their batches do.

    Args:
        which: a condition on `batches`.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE undecided_leads (workflow_id TEXT NOT NULL, lead_key TEXT NOT NULL)"
        + ("" if is_sqlite else " ON COMMIT DROP")
    )
    found = connection.execute(sa.select(batches.c.batch_no, batches.c.workflow_id).where(which))
    for batch_no, workflow_id in found.all():
        of_batch = claims_of_batch(connection, batch_no)
        keys = of_batch["lead_key"].filter(pc.is_null(of_batch["state"]))
        if not len(keys):
            continue
        relation = columns_relation(connection.dialect.name, {"lead_key": keys.combine_chunks()})
        connection.execute(
            sa.text(
                "INSERT INTO undecided_leads (workflow_id, lead_key) "
                f"SELECT :workflow_id, lead_key FROM {relation.sql} AS undecided"
            ),
            {"workflow_id": workflow_id, **relation.parameters},
        )
    yield sa.table("undecided_leads", sa.column("workflow_id"), sa.column("lead_key"))
    connection.exec_driver_sql("DROP TABLE undecided_leads")


def _resolve_surely_gone(
    connection: sa.Connection, plan: Plan, *, now: datetime, change_id: int
) -> None:
    """Resolve rows whose lead is enrolled, or was met by this plan under another workflow."""
    parameters = {
        "now": now,
        "change_id": change_id,
        "sync": plan.sync,
        "partition_key": plan.partition_key,
        "plan_id": plan.plan_id,
    }
    is_open = (
        "rejected_rows.sync = :sync AND rejected_rows.partition_key = :partition_key "
        "AND rejected_rows.plan_id <> :plan_id AND rejected_rows.resolved_at IS NULL"
    )
    held = connection.execute(
        sa.text(
            "SELECT rejected_rows.workflow_id, rejected_rows.lead_key, live_claims.key_hash "
            "FROM rejected_rows JOIN live_claims "
            "ON live_claims.phone = CAST(substr(rejected_rows.phone, 2) AS BIGINT) "
            f"{BATCH_AND_CLAIM_OF_LIVE} WHERE {is_open} "
            # Of a lead that is refused for its number, that number is another lead's.
            "AND rejected_rows.outcome <> 'duplicate' AND batches.sync = rejected_rows.sync "
            f"AND batches.workflow_id = rejected_rows.workflow_id AND {CLAIM_STATE} = 'enrolled'"
        ),
        parameters,
    ).all()
    hashes = key_hashes([row.lead_key for row in held]).tolist()
    enrolled = [
        [row.workflow_id, row.lead_key]
        for row, own in zip(held, hashes, strict=True)
        if row.key_hash == own
    ]
    asked = rows_relation(connection.dialect.name, {"workflow_id": "text", "lead_key": "text"})
    with _undecided_leads(connection, batches.c.plan_id == plan.plan_id):
        connection.execute(
            sa.text(
                "UPDATE rejected_rows SET resolved_at = :now, change_id = :change_id "
                "WHERE (sync, workflow_id, lead_key) IN ("
                f"SELECT :sync, workflow_id, lead_key FROM {asked} AS enrolled UNION "
                # A key is one row of the source, which is in one workflow.
                "SELECT * FROM (SELECT sync, workflow_id, lead_key FROM rejected_rows "
                f"WHERE {is_open} AND lead_key IN ("
                "SELECT lead_key FROM rejected_rows WHERE sync = :sync AND plan_id = :plan_id "
                "UNION SELECT lead_key FROM undecided_leads) EXCEPT "
                "SELECT :sync, workflow_id, lead_key FROM undecided_leads) AS moved)"
            ).bindparams(
                sa.bindparam("now", type_=rejected_rows.c.resolved_at.type),
                sa.bindparam("sync", type_=sa.Text),
            ),
            {**parameters, "rows": rows_parameter(enrolled)},
        )
