"""The record tables in the warehouse (docs/design.md, "Fixed names")."""

import sqlalchemy as sa

OUTCOMES = (
    "enrolled",
    "invalid",
    "duplicate",
    "suppressed",
    "deferred",
    "rejected",
    "in_doubt",
    "planned",
)
# Keys have a length because MySQL indexes no unbounded text.
_KEY = sa.String(255)


def record_tables(schema: str | None = None) -> sa.MetaData:
    """The four tables, in the warehouse's default schema unless another is named."""
    metadata = sa.MetaData(schema=schema)
    moment = sa.DateTime(timezone=True)
    sa.Table(
        "dialnexa_enrolments",
        metadata,
        sa.Column("sync", _KEY, nullable=False),
        sa.Column("workflow_id", _KEY, nullable=False),
        sa.Column("lead_key", _KEY, nullable=False),
        sa.Column("phone", sa.String(32)),
        sa.Column("lead_id", _KEY),
        sa.Column("enrolment_ref", _KEY, primary_key=True),
        sa.Column("batch_id", _KEY, nullable=False),
        sa.Column("run_id", _KEY, nullable=False),
        sa.Column("partition_key", _KEY, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("enrolled_at", moment, nullable=False),
    )
    sa.Table(
        "dialnexa_rejected_rows",
        metadata,
        sa.Column("sync", _KEY, primary_key=True),
        sa.Column("workflow_id", _KEY, primary_key=True),
        sa.Column("lead_key", _KEY, primary_key=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("raw_phone", sa.Text),
        sa.Column("phone", sa.String(32)),
        sa.Column("batch_id", _KEY),
        sa.Column("run_id", _KEY, nullable=False),
        sa.Column("partition_key", _KEY, nullable=False),
        sa.Column("first_seen_at", moment, nullable=False),
        sa.Column("last_seen_at", moment, nullable=False),
        sa.Column("resolved_at", moment),
    )
    sa.Table(
        "dialnexa_enrolment_counts",
        metadata,
        sa.Column("sync", _KEY, primary_key=True),
        sa.Column("run_id", _KEY, primary_key=True),
        sa.Column("partition_key", _KEY, primary_key=True),
        sa.Column("workflow_id", _KEY, primary_key=True),
        sa.Column("source_rows", sa.BigInteger, nullable=False),
        *(sa.Column(outcome, sa.BigInteger, nullable=False) for outcome in OUTCOMES),
        sa.Column("recorded_at", moment, nullable=False),
    )
    sa.Table(
        "dialnexa_lead_progress",
        metadata,
        sa.Column("sync", _KEY, nullable=False),
        sa.Column("workflow_id", _KEY, nullable=False),
        sa.Column("lead_key", _KEY, nullable=False),
        sa.Column("lead_id", _KEY),
        sa.Column("enrolment_ref", _KEY, primary_key=True),
        # 1 for the first status of a lead; a key, so that no change is written twice.
        sa.Column("change_no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(64), nullable=False),
        sa.Column("lead_created_at", moment),
        sa.Column("first_seen_at", moment, nullable=False),
        sa.Column("observed_at", moment, nullable=False),
        sa.Column("run_id", _KEY, nullable=False),
    )
    return metadata
