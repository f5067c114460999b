"""Enrolled leads of a batch as an Arrow table: the rows that `dialnexa_enrolments` shows of it."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import MOMENT, columns_of, moments_of
from dialnexa_pipeline.ledger.numbering import enrolment_refs, places_of
from dialnexa_pipeline.ledger.tables import batches, claims, plans
from dialnexa_pipeline.ledger.transitions import lead_ids_of


def enrolled_leads(connection: sa.Connection, batch_id: str) -> pa.Table:
    """Enrolled and withdrawn leads of a batch, in file order.

    Returns:
        `sync, workflow_id, lead_key, phone (null once erased), lead_id, enrolment_ref, batch_id,
        run_id, partition_key, state` as strings and `enrolled_at` in UTC.
    """
    batch = connection.execute(
        sa.select(
            batches.c.batch_no,
            batches.c.state,
            batches.c.settled_at,
            batches.c.sync,
            batches.c.workflow_id,
            plans.c.plan_id,
            plans.c.run_id,
            plans.c.partition_key,
        )
        .join(plans, plans.c.plan_id == batches.c.plan_id)
        .where(batches.c.batch_id == batch_id)
    ).one()
    says_so = [
        claims.c.state == "enrolled",
        # With a reason it was withdrawn before it was sent.
        sa.and_(claims.c.state == "withdrawn", claims.c.reason.is_(None)),
    ]
    if batch.state == "enrolled":
        says_so.append(claims.c.state.is_(None))
    numbers, keys, phones, states, settled = columns_of(
        connection,
        sa.select(
            claims.c.claim_no,
            claims.c.lead_key,
            claims.c.phone,
            claims.c.state,
            claims.c.settled_at,
        )
        .where(claims.c.batch_no == batch.batch_no, sa.or_(*says_so))
        .order_by(claims.c.claim_no),
    )
    ids = lead_ids_of(connection, batch.batch_no)
    places = places_of(numbers)
    rows = len(numbers)
    return pa.table(
        {
            "sync": _same(batch.sync, rows),
            "workflow_id": _same(batch.workflow_id, rows),
            "lead_key": pa.array(keys, pa.string()),
            "phone": pc.binary_join_element_wise(
                "+", pa.array(phones, pa.int64()).cast(pa.string()), ""
            ),
            "lead_id": pa.array(map(ids.get, places.tolist()), pa.string()),
            "enrolment_ref": enrolment_refs(batch.plan_id, places),
            "batch_id": _same(batch_id, rows),
            "run_id": _same(batch.run_id, rows),
            "partition_key": _same(batch.partition_key, rows),
            "state": pc.fill_null(pa.array(states, pa.string()), "enrolled"),
            "enrolled_at": _settled(settled, batch.settled_at),
        }
    )


def _same(text: str, rows: int) -> pa.Array:
    return pa.repeat(text, rows)


def _settled(own: list[str | None], of_batch: datetime | None) -> pa.Array:
    moments = moments_of(own)
    return moments if of_batch is None else pc.fill_null(moments, pa.scalar(of_batch, MOMENT))
