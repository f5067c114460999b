"""Enrolled leads of a batch as an Arrow table: the rows that `dialnexa_enrolments` shows of it."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.batch_claims import enrolled_claims
from dialnexa_pipeline.ledger.bulk import MOMENT
from dialnexa_pipeline.ledger.numbering import enrolment_refs, places_of
from dialnexa_pipeline.ledger.tables import batches, plans
from dialnexa_pipeline.ledger.transitions import lead_ids_of

_BATCH = (
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
    .where(batches.c.batch_id == sa.bindparam("of_batch"))
)


def enrolled_leads(connection: sa.Connection, batch_id: str) -> pa.Table:
    """Enrolled and withdrawn leads of a batch, in file order.

    Returns:
        `sync, workflow_id, lead_key, phone (null once erased), lead_id, enrolment_ref, batch_id,
        run_id, partition_key, state` as strings and `enrolled_at` in UTC.
    """
    batch = connection.execute(_BATCH, {"of_batch": batch_id}).one()
    found = enrolled_claims(connection, batch.batch_no, enrolled=batch.state == "enrolled")
    ids = lead_ids_of(connection, batch.batch_no)
    places = places_of(found["claim_no"].to_numpy())
    rows = found.num_rows
    return pa.table(
        {
            "sync": pa.repeat(batch.sync, rows),
            "workflow_id": pa.repeat(batch.workflow_id, rows),
            "lead_key": found["lead_key"],
            "phone": pc.binary_join_element_wise("+", found["phone"].cast(pa.string()), ""),
            "lead_id": pa.array(map(ids.get, places.tolist()), pa.string())
            if ids
            else pa.nulls(rows, pa.string()),
            "enrolment_ref": enrolment_refs(batch.plan_id, places),
            "batch_id": pa.repeat(batch_id, rows),
            "run_id": pa.repeat(batch.run_id, rows),
            "partition_key": pa.repeat(batch.partition_key, rows),
            "state": pc.fill_null(found["state"], "enrolled"),
            "enrolled_at": pc.fill_null(found["settled_at"], pa.scalar(batch.settled_at, MOMENT)),
        }
    )
