"""Corrections: values of a corrected sheet that stand in for those of a source's row."""

import sqlalchemy as sa
from alembic import op

from dialnexa_pipeline.ledger.tables import UtcDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table, empty."""
    op.create_table(
        "corrections",
        sa.Column(
            "correction_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("sync", sa.Text(), nullable=False),
        sa.Column("lead_key", sa.Text(), nullable=False),
        sa.Column("phone", sa.BigInteger(), nullable=True),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("became", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("correction_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("one_correction", "corrections", ["sync", "lead_key"], unique=True)
