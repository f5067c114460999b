"""Enrolled claims past `dedupe` are kept, until who takes their numbers has called the people."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add `expired_claims`; those that expired before are not known any more."""
    op.create_table(
        "expired_claims",
        sa.Column("phone", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("workflow_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("claim_no", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("phone", "workflow_no"),
        sqlite_with_rowid=False,
    )
