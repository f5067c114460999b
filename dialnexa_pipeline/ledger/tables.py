"""The ledger's tables: plans, batches, claims, rejected rows, and what people decided."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC: `timestamptz` on PostgreSQL, text without zone on SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("the ledger takes timezone-aware moments only")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("plan_id", sa.Text, primary_key=True),
    sa.Column("sync", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("source_rows", sa.BigInteger),
    sa.Column("phone_metadata", sa.Text),
    # A guard stopped this plan: nothing of it is sent until somebody approves it.
    sa.Column("held_by", sa.Text),
    sa.Column("held_why", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("ready_at", UtcDateTime),
    # An open plan is alive until then.
    sa.Column("lease_expires_at", UtcDateTime),
    sa.CheckConstraint("state IN ('open', 'ready', 'superseded')", name="plan_state"),
    sa.Index("plans_by_sync", "sync", "partition_key", "created_at"),
)

plan_counts = sa.Table(
    "plan_counts",
    metadata,
    sa.Column("plan_id", sa.Text, sa.ForeignKey("plans.plan_id"), primary_key=True),
    sa.Column("workflow_id", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, primary_key=True),
    sa.Column("leads", sa.BigInteger, nullable=False),
)

# What a plan of a sync with a cursor read of its source: everything, where `since` is null.
plan_reads = sa.Table(
    "plan_reads",
    metadata,
    sa.Column("plan_id", sa.Text, sa.ForeignKey("plans.plan_id"), primary_key=True),
    # Of all that screening depends on: another one begins with everything.
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("since", UtcDateTime),
    sa.Column("until", UtcDateTime),
    sa.Column("began_at", UtcDateTime, nullable=False),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("batch_no", sa.BigInteger),
    sa.Column("plan_id", sa.Text, sa.ForeignKey("plans.plan_id"), nullable=False),
    sa.Column("parent_batch_id", sa.Text, sa.ForeignKey("batches.batch_id")),
    sa.Column("sync", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, nullable=False),
    sa.Column("workflow_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("ref_column", sa.Text),
    sa.Column("file_path", sa.Text),
    sa.Column("sha256", sa.Text),
    sa.Column("file_bytes", sa.BigInteger),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sent_by_run", sa.Text),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_expires_at", UtcDateTime),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("in_doubt_since", UtcDateTime),
    # When the newest whole listing since the doubt arose began.
    sa.Column("listed_at", UtcDateTime),
    sa.Column("absent_seen_at", UtcDateTime),
    sa.Column("absent_rows", sa.BigInteger),
    sa.Column("absence_proved_at", UtcDateTime),
    # Rows proved absent wait for a person instead of being planned again.
    sa.Column("hold_absent", sa.Boolean, nullable=False),
    sa.Column("settled_at", UtcDateTime),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.CheckConstraint(
        "state IN ('planned', 'sending', 'enrolled', 'rejected', 'failed', 'in_doubt', 'released')",
        name="batch_state",
    ),
    sa.Index("batches_by_plan", "plan_id", "state"),
    sa.Index("batches_by_state", "state", "workflow_id"),
    sa.Index("batches_by_number", "batch_no", unique=True),
)

# A workflow that a plan was uploaded to while it slept; it is activated once its list is verified.
activations = sa.Table(
    "activations",
    metadata,
    sa.Column("plan_id", sa.Text, sa.ForeignKey("plans.plan_id"), primary_key=True),
    sa.Column("workflow_id", sa.Text, primary_key=True),
    sa.Column("sync", sa.Text, nullable=False),
    sa.Column("owed_at", UtcDateTime, nullable=False),
    sa.Column("activated_at", UtcDateTime),
    sa.Index("activations_by_sync", "sync", "activated_at"),
)

# The workflows that claims name by number, so that a claim stays narrow.
workflows = sa.Table(
    "workflows",
    metadata,
    sa.Column(
        "workflow_no",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("workflow_id", sa.Text, nullable=False, unique=True),
)

# A claim's number is its batch's number and its place in the plan: see `ledger.numbering`.
PLACE_BITS = 32
LAST_PLACE = (1 << PLACE_BITS) - 1
_CLAIM_NO = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# Who holds a number in a workflow, and by which claim: the one table that decides who is called.
live_claims = sa.Table(
    "live_claims",
    metadata,
    sa.Column("phone", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("workflow_no", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("claim_no", sa.BigInteger, nullable=False),
    # Tells whether a lead holds its number itself: see `ledger.live_claims.key_hashes`.
    sa.Column("key_hash", sa.BigInteger, nullable=False),
    # Rows lie in the index itself: numbers come in random order, and one page is changed, not two.
    sqlite_with_rowid=False,
)

# Enrolled claims that lost their number to a sync's `dedupe`: whoever took it and never called the
# person gives it back.
expired_claims = sa.Table(
    "expired_claims",
    metadata,
    sa.Column("phone", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("workflow_no", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("claim_no", sa.BigInteger, nullable=False),
    sa.Column("key_hash", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Claims of a batch as they were made, in one blob, until one of them is changed: `ledger.packs`.
packs = sa.Table(
    "packs",
    metadata,
    sa.Column("first_claim_no", _CLAIM_NO, primary_key=True, autoincrement=False),
    sa.Column("last_claim_no", sa.BigInteger, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

# Claims of unpacked batches.
claims = sa.Table(
    "claims",
    metadata,
    sa.Column("claim_no", _CLAIM_NO, primary_key=True, autoincrement=False),
    sa.Column("workflow_no", sa.BigInteger, nullable=False),
    sa.Column("lead_key", sa.Text, nullable=False),
    # Both are null after an erasure.
    sa.Column("raw_phone", sa.Text),
    sa.Column("phone", sa.BigInteger),
    # Null: what its batch says, so that a batch of thousands is settled by one row.
    sa.Column("state", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("settled_at", UtcDateTime),
    # SQLite would build the list of an IN anew for each row.
    sa.CheckConstraint(
        "state = 'enrolled' OR state = 'rejected' OR state = 'released' OR state = 'withdrawn'",
        name="own_claim_state",
    ),
    # Of most claims nothing is in it; the state comes first, or SQLite would walk the batch.
    sa.Index(
        "claims_by_own_state",
        "state",
        "claim_no",
        sqlite_where=sa.text("state IS NOT NULL"),
        postgresql_where=sa.text("state IS NOT NULL"),
    ),
)

# Ways to join: from a batch to its claims by their key, from a claim to its batch, and from who
# holds a number to the batch and to the claim, which has no row while it is packed.
CLAIMS_OF_BATCH = (
    f"claims.claim_no BETWEEN batches.batch_no << {PLACE_BITS} "
    f"AND (batches.batch_no << {PLACE_BITS}) + {LAST_PLACE}"
)
CLAIM_OF_LIVE = "LEFT JOIN claims ON claims.claim_no = live_claims.claim_no"
BATCH_AND_CLAIM_OF_LIVE = (
    f"JOIN batches ON batches.batch_no = live_claims.claim_no >> {PLACE_BITS} {CLAIM_OF_LIVE}"
)
OWN_STATES = ("enrolled", "rejected", "released", "withdrawn")
# What a claim says itself, or what its batch says for it.
_SAID_BY_BATCH = (
    "WHEN batches.state IN ('planned', 'sending', 'failed') THEN 'planned' ELSE batches.state END"
)
STATE_FOR_CLAIMS = f"CASE {_SAID_BY_BATCH}"
CLAIM_STATE = f"CASE WHEN claims.state IS NOT NULL THEN claims.state {_SAID_BY_BATCH}"
# A view: each claim that is not packed with its state, so that readers need not know who says it.
claim_states = sa.Table(
    "claim_states",
    sa.MetaData(),
    sa.Column("claim_no", sa.BigInteger),
    sa.Column("enrolment_ref", sa.Text),
    sa.Column("seq", sa.BigInteger),
    sa.Column("plan_id", sa.Text),
    sa.Column("batch_id", sa.Text),
    sa.Column("batch_no", sa.BigInteger),
    sa.Column("sync", sa.Text),
    sa.Column("workflow_id", sa.Text),
    sa.Column("lead_key", sa.Text),
    sa.Column("raw_phone", sa.Text),
    sa.Column("phone", sa.BigInteger),
    sa.Column("live", sa.Boolean),
    sa.Column("state", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("claimed_at", UtcDateTime),
    sa.Column("settled_at", UtcDateTime),
)

# What DialNexa called the leads of a batch: one JSON object per answer, place in the plan → id.
lead_ids = sa.Table(
    "lead_ids",
    metadata,
    sa.Column(
        "answer_no",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("batch_no", sa.BigInteger, nullable=False),
    sa.Column("ids", sa.Text, nullable=False),
    sa.Index("lead_ids_by_batch", "batch_no"),
)

rejected_rows = sa.Table(
    "rejected_rows",
    metadata,
    sa.Column("sync", sa.Text, primary_key=True),
    sa.Column("workflow_id", sa.Text, primary_key=True),
    sa.Column("lead_key", sa.Text, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", sa.Text),
    sa.Column("raw_phone", sa.Text),
    sa.Column("phone", sa.Text),
    sa.Column("batch_id", sa.Text),
    sa.Column("plan_id", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, nullable=False),
    sa.Column("first_seen_at", UtcDateTime, nullable=False),
    sa.Column("last_seen_at", UtcDateTime, nullable=False),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("change_id", sa.BigInteger, nullable=False),
    sa.Index("rejected_rows_by_change", "change_id"),
    sa.Index(
        "rejected_rows_open",
        "sync",
        "plan_id",
        "batch_id",
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    ),
)

# What a corrected sheet says of a lead; JSON arrays of pairs: source column, text.
corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column(
        "correction_id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("sync", sa.Text, nullable=False),
    sa.Column("lead_key", sa.Text, nullable=False),
    sa.Column("phone", sa.BigInteger),
    sa.Column("was", sa.Text, nullable=False),
    sa.Column("became", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Index("one_correction", "sync", "lead_key", unique=True),
    # A number is never given again: planners tell by it whether they read the newest.
    sqlite_autoincrement=True,
)

changes = sa.Table(
    "changes",
    metadata,
    sa.Column(
        "change_id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("sync", sa.Text, nullable=False),
    sa.Column("plan_id", sa.Text, nullable=False),
    sa.Column("batch_id", sa.Text),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("enrolments_recorded", sa.Boolean, nullable=False),
    sa.Column("counts_recorded", sa.Boolean, nullable=False),
    sa.Column("rejected_rows_recorded", sa.Boolean, nullable=False),
    sa.Index("changes_by_sync", "sync"),
    sqlite_autoincrement=True,
)

_DECISION_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# `sync` is null where the decision is for every sync.
switches = sa.Table(
    "switches",
    metadata,
    sa.Column("switch_id", _DECISION_ID, primary_key=True, autoincrement=True),
    sa.Column("sync", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("action IN ('stop', 'resume')", name="switch_action"),
    sqlite_autoincrement=True,
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("approval_id", _DECISION_ID, primary_key=True, autoincrement=True),
    sa.Column("sync", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, nullable=False),
    # The plan that a guard held, and how many leads it had: an approval lets through no more.
    sa.Column("plan_id", sa.Text, sa.ForeignKey("plans.plan_id"), nullable=False),
    sa.Column("leads", sa.BigInteger, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("used_by_plan", sa.Text, sa.ForeignKey("plans.plan_id")),
    sa.Column("used_at", UtcDateTime),
    sa.Index("approvals_by_sync", "sync", "partition_key"),
    sqlite_autoincrement=True,
)

# A person who was erased is known only by a keyed hash of the number.
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("phone_hash", sa.Text, primary_key=True),
    # Which key made the hash: under another key nobody would be recognised.
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
)
