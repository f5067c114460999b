"""Claims numbered by their batch: they lie side by side, and need no index to be found by it."""

import sqlalchemy as sa
from alembic import op

from dialnexa_pipeline.ledger.tables import UtcDateTime

revision = "0005"
down_revision = "0004"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STATE = (
    "CASE WHEN claims.state IS NOT NULL THEN claims.state "
    "WHEN batches.state IN ('planned', 'sending', 'failed') THEN 'planned' "
    "ELSE batches.state END"
)
_SAID_BY_BATCH = "claims.state IS NULL AND batches.state IN ('in_doubt', 'failed', 'released')"
_PLACE = "(claims.claim_no & 4294967295)"
_COLUMNS = "workflow_no, lead_key, raw_phone, phone, live, state, reason, detail, settled_at"


def upgrade() -> None:
    """Number every claim anew; nothing else remembers a claim by its number."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute("DROP VIEW claim_states")
    op.drop_index("one_live_claim", "claims")
    op.drop_index("claims_by_batch", "claims")
    op.rename_table("claims", "claims_of_plans")
    op.create_table(
        "claims",
        sa.Column("claim_no", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("workflow_no", sa.BigInteger(), nullable=False),
        sa.Column("lead_key", sa.Text(), nullable=False),
        sa.Column("raw_phone", sa.Text(), nullable=True),
        sa.Column("phone", sa.BigInteger(), nullable=True),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state = 'enrolled' OR state = 'rejected' OR state = 'released' OR state = 'withdrawn'",
            name="own_claim_state",
        ),
        # The table before keeps its key's name until it is dropped.
        sa.PrimaryKeyConstraint("claim_no", name=None if is_sqlite else "claims_by_number"),
    )
    op.execute(
        f"INSERT INTO claims (claim_no, {_COLUMNS}) "
        f"SELECT (batch_no << 32) + (claim_no & 4294967295), {_COLUMNS} "
        "FROM claims_of_plans ORDER BY 1"
    )
    op.drop_table("claims_of_plans")
    if not is_sqlite:
        op.execute("ALTER INDEX claims_by_number RENAME TO claims_pkey")
    op.create_index(
        "claims_by_own_state",
        "claims",
        ["state", "claim_no"],
        sqlite_where=sa.text("state IS NOT NULL"),
        postgresql_where=sa.text("state IS NOT NULL"),
    )
    op.create_index(
        "one_live_claim",
        "claims",
        ["phone", "workflow_no"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.drop_index("plans_by_number", "plans")
    op.drop_column("plans", "plan_no")
    shown = f"printf('%x', {_PLACE})" if is_sqlite else f"to_hex{_PLACE}"
    op.execute(
        "CREATE VIEW claim_states AS SELECT claims.claim_no, "
        f"batches.plan_id || '-' || {shown} AS enrolment_ref, {_PLACE} AS seq, "
        "batches.plan_id, batches.batch_id, batches.batch_no, batches.sync, batches.workflow_id, "
        f"claims.lead_key, claims.raw_phone, claims.phone, claims.live, {_STATE} AS state, "
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
