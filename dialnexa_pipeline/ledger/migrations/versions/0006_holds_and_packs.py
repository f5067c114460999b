"""Who holds a number stands in a table of its own; claims made from now on are packed by batch."""

import pyarrow as pa
import sqlalchemy as sa
from alembic import op

from dialnexa_pipeline.ledger.columnar import columns_relation
from dialnexa_pipeline.ledger.live_claims import key_hashes

revision = "0006"
down_revision = "0005"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STATE = (
    "CASE WHEN claims.state IS NOT NULL THEN claims.state "
    "WHEN batches.state IN ('planned', 'sending', 'failed') THEN 'planned' "
    "ELSE batches.state END"
)
_SAID_BY_BATCH = "claims.state IS NULL AND batches.state IN ('in_doubt', 'failed', 'released')"
_PLACE = "(claims.claim_no & 4294967295)"
_READ_ROWS = 20_000


def upgrade() -> None:
    """Move what lives into `holds`; the claims that are there stay rows."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute("DROP VIEW claim_states")
    op.create_table(
        "holds",
        sa.Column("phone", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("workflow_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("claim_no", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("phone", "workflow_no"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "packs",
        sa.Column("first_claim_no", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("last_claim_no", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("first_claim_no"),
    )
    _copy_live_claims(op.get_bind())
    op.drop_index("one_live_claim", "claims")
    op.drop_column("claims", "live")
    shown = f"printf('%x', {_PLACE})" if is_sqlite else f"to_hex{_PLACE}"
    op.execute(
        "CREATE VIEW claim_states AS SELECT claims.claim_no, "
        f"batches.plan_id || '-' || {shown} AS enrolment_ref, {_PLACE} AS seq, "
        "batches.plan_id, batches.batch_id, batches.batch_no, batches.sync, batches.workflow_id, "
        "claims.lead_key, claims.raw_phone, claims.phone, "
        "EXISTS (SELECT 1 FROM holds WHERE holds.phone = claims.phone "
        "AND holds.workflow_no = claims.workflow_no AND holds.claim_no = claims.claim_no) AS live, "
        f"{_STATE} AS state, "
        f"COALESCE(claims.reason, CASE WHEN {_SAID_BY_BATCH} THEN batches.reason END) AS reason, "
        f"COALESCE(claims.detail, CASE WHEN {_SAID_BY_BATCH} THEN batches.detail END) AS detail, "
        "batches.created_at AS claimed_at, COALESCE(claims.settled_at, CASE WHEN "
        "claims.state IS NULL AND batches.state IN ('enrolled', 'released') "
        "THEN batches.settled_at END) AS settled_at "
        # Both ways, so that it may be read from a batch as well as from a claim.
        "FROM claims JOIN batches ON batches.batch_no = claims.claim_no >> 32 "
        "AND claims.claim_no BETWEEN batches.batch_no << 32 "
        "AND (batches.batch_no << 32) + 4294967295"
    )


def _copy_live_claims(connection: sa.Connection) -> None:
    """In the order of the index that they are read by, and written to."""
    after = {"phone": -1, "workflow_no": -1}
    while True:
        rows = connection.execute(
            sa.text(
                "SELECT phone, workflow_no, claim_no, lead_key FROM claims "
                "WHERE live AND (phone, workflow_no) > (:phone, :workflow_no) "
                "ORDER BY phone, workflow_no LIMIT :rows"
            ),
            {**after, "rows": _READ_ROWS},
        ).all()
        if not rows:
            return
        after = {"phone": rows[-1].phone, "workflow_no": rows[-1].workflow_no}
        phones, workflow_nos, claim_nos, lead_keys = zip(*rows, strict=True)
        relation = columns_relation(
            connection.dialect.name,
            {
                "phone": pa.array(phones, pa.int64()),
                "workflow_no": pa.array(workflow_nos, pa.int64()),
                "claim_no": pa.array(claim_nos, pa.int64()),
                "key_hash": pa.array(key_hashes(lead_keys)),
            },
        )
        names = "phone, workflow_no, claim_no, key_hash"
        connection.execute(
            sa.text(f"INSERT INTO holds ({names}) SELECT {names} FROM {relation.sql} AS live"),
            relation.parameters,
        )
