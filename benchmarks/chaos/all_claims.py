"""Every claim of a ledger as a relation for plain SQL, also those that lie packed by batch.

It shares no code with the package: a pack is an Arrow stream, as docs/design.md says.
"""

import pyarrow as pa
import sqlalchemy as sa

_HOLDS = (
    "EXISTS (SELECT 1 FROM live_claims WHERE live_claims.phone = packed_claims.phone "
    "AND live_claims.claim_no = packed_claims.claim_no)"
)
_SAME = "plan_id, batch_id, batch_no, sync, workflow_id"


def show_all_claims(connection: sa.Connection) -> None:
    """Make the temporary table `all_claims`: the columns of `claim_states` that identify a claim.

    It shows the ledger as it was at this moment.
    """
    place = "(packed_claims.claim_no & 4294967295)"
    spelled = f"printf('%x', {place})" if connection.dialect.name == "sqlite" else f"to_hex{place}"
    for each in ("all_claims", "packed_claims"):
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {each}")
    connection.exec_driver_sql(
        "CREATE TEMPORARY TABLE packed_claims (claim_no BIGINT, lead_key TEXT, phone BIGINT)"
    )
    packs = connection.exec_driver_sql("SELECT content FROM packs").scalars().all()
    rows = [row for pack in packs for row in pa.ipc.open_stream(pack).read_all().to_pylist()]
    if rows:
        connection.execute(
            sa.text("INSERT INTO packed_claims VALUES (:claim_no, :lead_key, :phone)"), rows
        )
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE all_claims AS SELECT enrolment_ref, seq, {_SAME}, lead_key, "
        "phone, live, state FROM claim_states UNION ALL "
        f"SELECT plan_id || '-' || {spelled}, {place}, {_SAME}, lead_key, phone, {_HOLDS}, "
        "CASE WHEN state IN ('planned', 'sending', 'failed') THEN 'planned' ELSE state END "
        "FROM packed_claims JOIN batches ON batches.batch_no = packed_claims.claim_no >> 32"
    )
