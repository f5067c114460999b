"""Enrolled leads of a batch as an Arrow table: the rows that `dialnexa_enrolments` shows of it."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import MOMENT, columns_of, moments_of
from dialnexa_pipeline.ledger.numbering import enrolment_refs, of_batch, places_of
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
    numbers, keys, phones, states, settled = _claims(
        connection, batch.batch_no, enrolled=batch.state == "enrolled"
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


def _claims(connection: sa.Connection, batch_no: int, *, enrolled: bool) -> list[list[Any]]:
    """Number, key, phone, own state and its moment of a batch's enrolled leads, in file order.

    Args:
        enrolled: the batch is, and so are the claims that say nothing themselves.
    """
    of_claim = (claims.c.claim_no, claims.c.lead_key, claims.c.phone)
    says_so = sa.and_(
        claims.c.state.in_(("enrolled", "withdrawn")),
        # With a reason it was withdrawn before it was sent.
        sa.or_(claims.c.state == "enrolled", claims.c.reason.is_(None)),
    )
    own = sa.select(*of_claim, claims.c.state, claims.c.settled_at).where(
        of_batch(batch_no), says_so
    )
    columns = columns_of(connection, own.order_by(claims.c.claim_no))
    if not enrolled:
        return columns
    # Apart from the few others, for these lie in file order already.
    silent = sa.select(*of_claim).where(of_batch(batch_no), claims.c.state.is_(None))
    rest = columns_of(connection, silent.order_by(claims.c.claim_no))
    nothing = [None] * len(rest[0])
    if not columns[0]:
        return [*rest, nothing, nothing]
    rows = sorted([*zip(*columns, strict=True), *zip(*rest, nothing, nothing, strict=True)])
    return [list(column) for column in zip(*rows, strict=True)]


def _same(text: str, rows: int) -> pa.Array:
    return pa.repeat(text, rows)


def _settled(own: list[str | None], of_batch: datetime | None) -> pa.Array:
    moments = moments_of(own)
    return moments if of_batch is None else pc.fill_null(moments, pa.scalar(of_batch, MOMENT))
