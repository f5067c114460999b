"""The record tables in the warehouse: names and columns that people build upon."""

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.base import MySQLDialect

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
_MYSQL = ("mysql", "mariadb")


class _Text(sa.TypeDecorator[str]):
    """A text that is compared byte by byte, blanks at its end included.

    It has a length because MySQL indexes no unbounded text, and no key of 3,073 bytes.
    """

    impl = sa.String
    cache_ok = True

    def __init__(self, length: int, length_in_mysql: int | None = None) -> None:
        super().__init__(length)
        self.length_in_mysql = length_in_mysql or length

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[str]:
        if not isinstance(dialect, MySQLDialect):
            return dialect.type_descriptor(sa.String(self.length))
        collation = "utf8mb4_nopad_bin" if dialect.is_mariadb else "utf8mb4_0900_bin"
        text = mysql.VARCHAR(self.length_in_mysql, charset="utf8mb4", collation=collation)
        return dialect.type_descriptor(text)


_KEY = _Text(255, 180)
_LEAD_KEY = _Text(255)
# Of no language: PostgreSQL compares bytes, which is cheaper for each row that comes.
_REF = _KEY.with_variant(sa.String(255, collation="C"), "postgresql")
# MySQL keeps no fractions of a second unless it is told to, and 64 kB of a text otherwise.
_MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *_MYSQL)
_LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4"), *_MYSQL)
# What people read of a column, in the UI.
_DOCS = {
    "sync": "Name of the sync.",
    "workflow_id": "DialNexa's id of the workflow.",
    "lead_key": "The source's own key of the row.",
    "phone": "In E.164 form; null once erased, or where there is none.",
    "raw_phone": "As the source spells it.",
    "lead_id": "DialNexa's id of the lead, where its answers told it.",
    "enrolment_ref": "The correlation value that was uploaded with the lead.",
    "batch_id": "The file that the lead was sent in; null where it was in none.",
    "run_id": "The Dagster run that planned the lead, or noted the change.",
    "partition_key": "Partition or range of that run; empty without partitions.",
    "state": "enrolled or withdrawn.",
    "enrolled_at": "When DialNexa's answer, or its list, proved it; UTC.",
    "outcome": "invalid, duplicate, suppressed, deferred, rejected, in_doubt or planned.",
    "reason": "The code behind the outcome; docs/reasons.md says how to mend each.",
    "detail": "The vendor's or our sentence, phones masked.",
    "first_seen_at": "Since when; UTC.",
    "last_seen_at": "When a run met it last; UTC.",
    "resolved_at": "When the lead was enrolled or left the source; null while it stands.",
    "source_rows": "Rows of the source; the sum of the outcomes.",
    "recorded_at": "When this row was written; UTC.",
    "change_no": "1 for the first status of a lead.",
    "status": "DialNexa's word for how far the lead has come, or not_listed.",
    "lead_created_at": "When DialNexa made the lead; UTC.",
    "observed_at": "When a listing showed the status first; UTC.",
    **{outcome: f"Leads that ended as {outcome}." for outcome in OUTCOMES},
}


@cache
def record_tables(schema: str | None = None) -> sa.MetaData:
    """The four tables, in the warehouse's default schema unless another is named."""
    metadata = sa.MetaData(schema=schema)
    sa.Table(
        "dialnexa_enrolments",
        metadata,
        sa.Column("sync", _KEY, nullable=False),
        sa.Column("workflow_id", _KEY, nullable=False),
        sa.Column("lead_key", _LEAD_KEY, nullable=False),
        sa.Column("phone", _Text(32)),
        sa.Column("lead_id", _KEY),
        sa.Column("enrolment_ref", _REF, primary_key=True),
        sa.Column("batch_id", _KEY, nullable=False),
        sa.Column("run_id", _KEY, nullable=False),
        sa.Column("partition_key", _KEY, nullable=False),
        sa.Column("state", _Text(16), nullable=False),
        sa.Column("enrolled_at", _MOMENT, nullable=False),
    )
    sa.Table(
        "dialnexa_rejected_rows",
        metadata,
        sa.Column("sync", _KEY, primary_key=True),
        sa.Column("workflow_id", _KEY, primary_key=True),
        sa.Column("lead_key", _LEAD_KEY, primary_key=True),
        sa.Column("outcome", _Text(16), nullable=False),
        sa.Column("reason", _Text(64), nullable=False),
        sa.Column("detail", _LONG_TEXT),
        sa.Column("raw_phone", _LONG_TEXT),
        sa.Column("phone", _Text(32)),
        sa.Column("batch_id", _KEY),
        sa.Column("run_id", _KEY, nullable=False),
        sa.Column("partition_key", _KEY, nullable=False),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("last_seen_at", _MOMENT, nullable=False),
        sa.Column("resolved_at", _MOMENT),
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
        sa.Column("recorded_at", _MOMENT, nullable=False),
    )
    sa.Table(
        "dialnexa_lead_progress",
        metadata,
        sa.Column("sync", _KEY, nullable=False),
        sa.Column("workflow_id", _KEY, nullable=False),
        sa.Column("lead_key", _LEAD_KEY, nullable=False),
        sa.Column("lead_id", _KEY),
        sa.Column("enrolment_ref", _REF, primary_key=True),
        # 1 for the first status of a lead; a key, so that no change is written twice.
        sa.Column("change_no", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("status", _Text(64), nullable=False),
        sa.Column("lead_created_at", _MOMENT),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("observed_at", _MOMENT, nullable=False),
        sa.Column("run_id", _KEY, nullable=False),
    )
    for table in metadata.tables.values():
        for column in table.columns:
            column.doc = _DOCS[column.name]
    return metadata
