"""The table of live claims bears their name: a hold is what a guard does to a plan."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Rename `holds`; the view `claim_states`, which reads it, follows on both databases."""
    op.rename_table("holds", "live_claims")
