"""Narrow claims: integers for ids, and a state of their own only where their batch's is not it."""

import sqlalchemy as sa
from alembic import op

from dialnexa_pipeline.ledger.tables import UtcDateTime

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STATE = (
    "CASE WHEN claims.state IS NOT NULL THEN claims.state "
    "WHEN batches.state IN ('planned', 'sending', 'failed') THEN 'planned' "
    "ELSE batches.state END"
)
_SAID_BY_BATCH = "claims.state IS NULL AND batches.state IN ('in_doubt', 'failed', 'released')"


def upgrade() -> None:
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.add_column("plans", sa.Column("plan_no", sa.BigInteger()))
    op.add_column("batches", sa.Column("batch_no", sa.BigInteger()))
    _number("plans", "plan_id", "plan_no")
    _number("batches", "batch_id", "batch_no")
    op.create_index("plans_by_number", "plans", ["plan_no"], unique=True)
    op.create_index("batches_by_number", "batches", ["batch_no"], unique=True)
    if not is_sqlite:
        op.execute("CREATE SEQUENCE ledger_numbers")
        op.execute(
            "SELECT setval('ledger_numbers', 1 + greatest((SELECT coalesce(max(plan_no), 0) "
            "FROM plans), (SELECT coalesce(max(batch_no), 0) FROM batches)))"
        )
    op.create_table(
        "workflows",
        sa.Column("workflow_no", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workflow_no"),
        sa.UniqueConstraint("workflow_id"),
    )
    op.execute("INSERT INTO workflows (workflow_id) SELECT DISTINCT workflow_id FROM claims")
    op.create_table(
        "lead_ids",
        sa.Column("answer_no", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("batch_no", sa.BigInteger(), nullable=False),
        sa.Column("ids", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("answer_no"),
    )
    op.create_index("lead_ids_by_batch", "lead_ids", ["batch_no"])
    gathered = "json_group_object" if is_sqlite else "json_object_agg"
    op.execute(
        f"INSERT INTO lead_ids (batch_no, ids) SELECT batches.batch_no, "
        f"CAST({gathered}(claims.seq, claims.lead_id) AS TEXT) FROM claims "
        "JOIN batches ON batches.batch_id = claims.batch_id "
        "WHERE claims.lead_id IS NOT NULL GROUP BY batches.batch_no"
    )
    op.drop_index("one_live_claim", "claims")
    op.drop_index("claims_by_batch", "claims")
    op.drop_index("claims_by_plan", "claims")
    op.rename_table("claims", "wide_claims")
    op.create_table(
        "claims",
        sa.Column("claim_no", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("batch_no", sa.BigInteger(), nullable=False),
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
        # The wide table keeps its key's name until it is dropped.
        sa.PrimaryKeyConstraint("claim_no", name=None if is_sqlite else "narrow_claims_pkey"),
    )
    op.execute(
        "INSERT INTO claims (claim_no, batch_no, workflow_no, lead_key, raw_phone, phone, live, "
        "state, reason, detail, settled_at) SELECT plans.plan_no * 4294967296 + wide.seq, "
        "batches.batch_no, workflows.workflow_no, wide.lead_key, wide.raw_phone, wide.phone, "
        "wide.live, CASE WHEN wide.state IN ('planned', 'in_doubt') THEN NULL ELSE wide.state END, "
        f"{_own('reason')}, {_own('detail')}, wide.settled_at FROM wide_claims AS wide "
        "JOIN plans ON plans.plan_id = wide.plan_id "
        "JOIN batches ON batches.batch_id = wide.batch_id "
        "JOIN workflows ON workflows.workflow_id = wide.workflow_id"
    )
    op.drop_table("wide_claims")
    op.execute(
        "UPDATE batches SET reason = 'in_doubt/held' WHERE state = 'in_doubt' AND hold_absent "
        "AND absence_proved_at IS NOT NULL"
    )
    if not is_sqlite:
        op.execute("ALTER INDEX narrow_claims_pkey RENAME TO claims_pkey")
    op.create_index("claims_by_batch", "claims", ["batch_no", "state"])
    op.create_index(
        "one_live_claim",
        "claims",
        ["phone", "workflow_no"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_index(
        "rejected_rows_open",
        "rejected_rows",
        ["sync", "plan_id", "batch_id"],
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    place = "(claims.claim_no & 4294967295)"
    shown = f"printf('%x', {place})" if is_sqlite else f"to_hex{place}"
    op.execute(
        f"CREATE VIEW claim_states AS SELECT claims.claim_no, "
        f"batches.plan_id || '-' || {shown} AS enrolment_ref, {place} AS seq, "
        "batches.plan_id, batches.batch_id, claims.batch_no, batches.sync, batches.workflow_id, "
        f"claims.lead_key, claims.raw_phone, claims.phone, claims.live, {_STATE} AS state, "
        f"COALESCE(claims.reason, CASE WHEN {_SAID_BY_BATCH} THEN batches.reason END) AS reason, "
        f"COALESCE(claims.detail, CASE WHEN {_SAID_BY_BATCH} THEN batches.detail END) AS detail, "
        "batches.created_at AS claimed_at, COALESCE(claims.settled_at, CASE WHEN "
        "claims.state IS NULL AND batches.state IN ('enrolled', 'released') "
        "THEN batches.settled_at END) AS settled_at "
        "FROM claims JOIN batches ON batches.batch_no = claims.batch_no"
    )


def _own(column: str) -> str:
    return f"CASE WHEN wide.state IN ('planned', 'in_doubt') THEN NULL ELSE wide.{column} END"


def _number(table: str, key: str, number: str) -> None:
    op.execute(
        f"UPDATE {table} SET {number} = numbered.place FROM (SELECT {key} AS numbered_key, "
        f"row_number() OVER (ORDER BY created_at, {key}) AS place FROM {table}) AS numbered "
        f"WHERE numbered.numbered_key = {table}.{key}"
    )
