"""What every transition of a batch shares: reading it, enrolling its claims, ending it."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import rows_parameter, rows_relation
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import Batch, Claim
from dialnexa_pipeline.ledger.rejections import list_unenrolled_claims, resolve_enrolled
from dialnexa_pipeline.ledger.tables import batches, claims

_BATCH_COLUMNS = [batches.c[name] for name in Batch.__dataclass_fields__]
_CLAIM_COLUMNS = [claims.c[name] for name in Claim.__dataclass_fields__]


def lock_batch(connection: sa.Connection, batch_id: str) -> Batch:
    """One batch, locked until the transaction ends."""
    row = connection.execute(
        sa.select(*_BATCH_COLUMNS).where(batches.c.batch_id == batch_id).with_for_update()
    ).one()
    return Batch(*row)


def select_batches(database: LedgerDatabase, *conditions: sa.ColumnElement[bool]) -> list[Batch]:
    """Batches in the order they were made."""
    statement = (
        sa.select(*_BATCH_COLUMNS)
        .where(*conditions)
        .order_by(batches.c.created_at, batches.c.batch_id)
    )
    with database.transaction() as connection:
        return [Batch(*row) for row in connection.execute(statement)]


def select_claims(
    database: LedgerDatabase, batch_id: str, *conditions: sa.ColumnElement[bool]
) -> list[Claim]:
    """Claims of a batch, in file order."""
    statement = (
        sa.select(*_CLAIM_COLUMNS)
        .where(claims.c.batch_id == batch_id, *conditions)
        .order_by(claims.c.seq)
    )
    with database.transaction() as connection:
        return [Claim(*row) for row in connection.execute(statement)]


def count_claims(connection: sa.Connection, batch_id: str, state: str) -> int:
    """How many claims of a batch are in a state."""
    statement = (
        sa.select(sa.func.count())
        .select_from(claims)
        .where(claims.c.batch_id == batch_id, claims.c.state == state)
    )
    return int(connection.scalar(statement) or 0)


def batch_guard(dialect: str) -> str:
    """SQL that keeps an update by ref inside one batch.

    SQLite would scan the batch for each ref; the plus keeps it on the ref's own index.
    """
    return ("+" if dialect == "sqlite" else "") + "claims.batch_id = :batch_id"


def enrol_claims(
    connection: sa.Connection, batch_id: str, lead_ids: Mapping[str, str | None], now: datetime
) -> None:
    """Claims of the batch that are named by ref are enrolled; refs of other batches are not."""
    if not lead_ids:
        return
    dialect = connection.dialect.name
    relation = rows_relation(dialect, {"ref": "text", "lead_id": "text"})
    connection.execute(
        sa.text(
            "UPDATE claims SET state = 'enrolled', lead_id = asked.lead_id, "
            "settled_at = :now, reason = NULL, detail = NULL "
            f"FROM {relation} AS asked WHERE claims.enrolment_ref = asked.ref "
            f"AND {batch_guard(dialect)} AND claims.state IN ('planned', 'in_doubt')"
        ).bindparams(sa.bindparam("now", type_=claims.c.settled_at.type)),
        {"now": now, "batch_id": batch_id, "rows": rows_parameter(list(lead_ids.items()))},
    )


def reject_claims(
    connection: sa.Connection,
    batch_id: str,
    rejected: Mapping[str, tuple[str, str | None]],
    now: datetime,
) -> None:
    """Claims of the batch that are named by ref are rejected with their reason and detail."""
    dialect = connection.dialect.name
    relation = rows_relation(dialect, {"ref": "text", "reason": "text", "detail": "text"})
    connection.execute(
        sa.text(
            "UPDATE claims SET state = 'rejected', live = :dead, settled_at = :now, "
            "reason = asked.reason, detail = asked.detail "
            f"FROM {relation} AS asked WHERE claims.enrolment_ref = asked.ref "
            f"AND {batch_guard(dialect)} AND claims.state = 'planned'"
        ).bindparams(
            sa.bindparam("dead", type_=sa.Boolean),
            sa.bindparam("now", type_=claims.c.settled_at.type),
        ),
        {
            "dead": False,
            "now": now,
            "batch_id": batch_id,
            "rows": rows_parameter([(ref, *why) for ref, why in rejected.items()]),
        },
    )


def put_batch_in_doubt(
    connection: sa.Connection, batch: Batch, now: datetime, *, reason: str, detail: str
) -> None:
    """Claims that are not proved enrolled are in doubt, and so is the batch."""
    connection.execute(
        sa.update(claims)
        .where(claims.c.batch_id == batch.batch_id, claims.c.state == "planned")
        .values(state="in_doubt", reason=reason, detail=detail)
    )
    finish_batch(
        connection,
        batch,
        now,
        state="in_doubt",
        in_doubt_since=now,
        reason=reason,
        detail=detail,
    )


def finish_batch(connection: sa.Connection, batch: Batch, now: datetime, **values: object) -> None:
    """End of a transition: new state, no lease, and the change for the record tables."""
    connection.execute(
        sa.update(batches)
        .where(batches.c.batch_id == batch.batch_id)
        .values(lease_owner=None, lease_expires_at=None, **values)
    )
    change_id = note_change(connection, now, batch.sync, batch.plan_id, batch.batch_id)
    if values["state"] != "planned":
        list_unenrolled_claims(connection, batch.batch_id, now=now, change_id=change_id)
    resolve_enrolled(connection, batch.batch_id, now=now, change_id=change_id)
