"""The first tables: plans, batches, claims, rejected rows, changes, and people's decisions."""

import sqlalchemy as sa
from alembic import op

from dialnexa_pipeline.ledger.tables import UtcDateTime

revision = "0001"
down_revision = None

_DECISION_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column(
            "change_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("enrolments_recorded", sa.Boolean(), nullable=False),
        sa.Column("counts_recorded", sa.Boolean(), nullable=False),
        sa.Column("rejected_rows_recorded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("change_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("changes_by_sync", "changes", ["sync"], unique=False)
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source_rows", sa.BigInteger(), nullable=True),
        sa.Column("phone_metadata", sa.Text(), nullable=True),
        sa.Column("held_by", sa.Text(), nullable=True),
        sa.Column("held_why", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ready_at", UtcDateTime(), nullable=True),
        sa.Column("lease_expires_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'ready', 'superseded')", name="plan_state"),
        sa.PrimaryKeyConstraint("plan_id"),
    )
    op.create_index("plans_by_sync", "plans", ["sync", "partition_key", "created_at"], unique=False)
    op.create_table(
        "rejected_rows",
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("lead_key", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("raw_phone", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.Text(), nullable=True),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("resolved_at", UtcDateTime(), nullable=True),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sync", "workflow_id", "lead_key"),
    )
    op.create_index("rejected_rows_by_change", "rejected_rows", ["change_id"], unique=False)
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("parent_batch_id", sa.Text(), nullable=True),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ref_column", sa.Text(), nullable=True),
        sa.Column("file_path", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("file_bytes", sa.BigInteger(), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent_by_run", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("in_doubt_since", UtcDateTime(), nullable=True),
        sa.Column("listed_at", UtcDateTime(), nullable=True),
        sa.Column("absent_seen_at", UtcDateTime(), nullable=True),
        sa.Column("absent_rows", sa.BigInteger(), nullable=True),
        sa.Column("absence_proved_at", UtcDateTime(), nullable=True),
        sa.Column("hold_absent", sa.Boolean(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('planned', 'sending', 'enrolled', 'rejected', 'failed', 'in_doubt', "
            "'released')",
            name="batch_state",
        ),
        sa.ForeignKeyConstraint(
            ["parent_batch_id"],
            ["batches.batch_id"],
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["plans.plan_id"],
        ),
        sa.PrimaryKeyConstraint("batch_id"),
    )
    op.create_index("batches_by_plan", "batches", ["plan_id", "state"], unique=False)
    op.create_index("batches_by_state", "batches", ["state", "workflow_id"], unique=False)
    op.create_table(
        "plan_counts",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("leads", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["plans.plan_id"],
        ),
        sa.PrimaryKeyConstraint("plan_id", "workflow_id", "outcome", "reason"),
    )
    op.create_table(
        "activations",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("owed_at", UtcDateTime(), nullable=False),
        sa.Column("activated_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.plan_id"]),
        sa.PrimaryKeyConstraint("plan_id", "workflow_id"),
    )
    op.create_index("activations_by_sync", "activations", ["sync", "activated_at"], unique=False)
    op.create_table(
        "claims",
        sa.Column("enrolment_ref", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("lead_key", sa.Text(), nullable=False),
        sa.Column("raw_phone", sa.Text(), nullable=True),
        sa.Column("phone", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("lead_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'in_doubt', 'enrolled', 'rejected', 'released', 'withdrawn')",
            name="claim_state",
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.batch_id"],
        ),
        sa.ForeignKeyConstraint(
            ["plan_id"],
            ["plans.plan_id"],
        ),
        sa.PrimaryKeyConstraint("enrolment_ref"),
    )
    op.create_index("claims_by_batch", "claims", ["batch_id"], unique=False)
    op.create_index("claims_by_plan", "claims", ["plan_id", "state"], unique=False)
    op.create_index(
        "one_live_claim",
        "claims",
        ["workflow_id", "phone"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "switches",
        sa.Column("switch_id", _DECISION_ID, autoincrement=True, nullable=False),
        sa.Column("sync", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("action IN ('stop', 'resume')", name="switch_action"),
        sa.PrimaryKeyConstraint("switch_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "approvals",
        sa.Column("approval_id", _DECISION_ID, autoincrement=True, nullable=False),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("partition_key", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("leads", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("used_by_plan", sa.Text(), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.plan_id"]),
        sa.ForeignKeyConstraint(["used_by_plan"], ["plans.plan_id"]),
        sa.PrimaryKeyConstraint("approval_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("approvals_by_sync", "approvals", ["sync", "partition_key"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("phone_hash", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("phone_hash"),
    )
