"""What changed in the ledger and is not yet in the warehouse's record tables."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import rows_parameter, rows_relation
from dialnexa_pipeline.ledger.tables import changes

RecordTable = Literal["enrolments", "counts", "rejected_rows"]

_ADD = sa.insert(changes).returning(changes.c.change_id)


def note_change(
    connection: sa.Connection,
    now: datetime,
    sync: str,
    plan_id: str,
    batch_id: str | None = None,
) -> int:
    """Add a change in the caller's transaction; the record tables follow it later."""
    change = {
        "sync": sync,
        "plan_id": plan_id,
        "batch_id": batch_id,
        "made_at": now,
        "enrolments_recorded": batch_id is None,
        "counts_recorded": False,
        "rejected_rows_recorded": False,
    }
    return int(connection.execute(_ADD, change).scalar_one())


def pending_changes(connection: sa.Connection, sync: str, table: RecordTable) -> list[sa.Row[Any]]:
    """Changes of a sync that `table` does not show yet, oldest first."""
    recorded = changes.c[f"{table}_recorded"]
    return list(
        connection.execute(
            sa.select(changes)
            .where(changes.c.sync == sync, recorded.is_(False))
            .order_by(changes.c.change_id)
        )
    )


def mark_recorded(
    connection: sa.Connection, change_ids: Collection[int], table: RecordTable
) -> None:
    """Note that the warehouse's `table` shows these changes."""
    asked = rows_relation(connection.dialect.name, {"change_id": "int"})
    connection.execute(
        sa.text(
            f"UPDATE changes SET {table}_recorded = :shown "
            f"WHERE change_id IN (SELECT change_id FROM {asked} AS asked)"
        ).bindparams(sa.bindparam("shown", type_=sa.Boolean)),
        {"shown": True, "rows": rows_parameter([[change_id] for change_id in change_ids])},
    )
