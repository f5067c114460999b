"""What the ledger hands in and out: typed rows, never bare dicts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import pyarrow as pa

# The partition of plans that are made from a corrected sheet, and not from the source.
REPLAY = "replay"

BatchState = Literal["planned", "sending", "enrolled", "rejected", "failed", "in_doubt", "released"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One screening and planning pass of a sync and partition.

    Attributes:
        covers: other partitions of the sync of which it reads every row too.
    """

    plan_id: str
    sync: str
    partition_key: str
    run_id: str
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """Eligible leads of a workflow that ask for claims in one batch, in file order.

    Attributes:
        first_seq: place of the first lead in its plan; the others follow one by one, and no other
            lead of the plan has one of these places.
        lead_keys, raw_phones: string columns without nulls.
        phones: int64 column, the digits of the E.164 forms.
        key_hashes: int64 column, `ledger.key_hashes` of the keys; None has them made when asked.
    """

    batch_id: str
    workflow_id: str
    first_seq: int
    lead_keys: pa.Array = field(repr=False)
    raw_phones: pa.Array = field(repr=False)
    phones: pa.Array = field(repr=False)
    key_hashes: pa.Array | None = field(default=None, repr=False)


class Holder(NamedTuple):
    """Who holds a (workflow, phone); a tuple, for there may be millions.

    Attributes:
        key_hash: of its lead's key (`key_hashes`).
    """

    sync: str
    key_hash: int
    state: str
    batch_state: str


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A lead that does not get a claim, with the reason."""

    workflow_id: str
    lead_key: str
    outcome: str
    reason: str
    detail: str | None
    raw_phone: str | None = field(repr=False)
    phone: str | None = field(repr=False)


# Refused rows as a table.
REFUSED = pa.schema([(name, pa.string()) for name in RefusedRow.__dataclass_fields__])


@dataclass(frozen=True, slots=True)
class Batch:
    """One file, one POST, one workflow."""

    batch_id: str
    batch_no: int
    plan_id: str
    parent_batch_id: str | None
    sync: str
    partition_key: str
    workflow_id: str
    state: BatchState
    ref_column: str | None
    file_path: str | None
    sha256: str | None
    file_bytes: int | None
    row_count: int
    attempts: int
    sent_at: datetime | None
    in_doubt_since: datetime | None
    absent_seen_at: datetime | None
    absent_rows: int | None
    absence_proved_at: datetime | None
    hold_absent: bool
    reason: str | None
    detail: str | None

    @property
    def is_held(self) -> bool:
        """Its rows in doubt are proved absent, and a person decides whether they are sent again."""
        return self.hold_absent and self.absence_proved_at is not None


@dataclass(frozen=True, slots=True)
class BatchOnDisk:
    """The file of a batch in the store."""

    batch_id: str
    file_path: str
    sha256: str
    file_bytes: int


@dataclass(frozen=True, slots=True)
class BatchRows:
    """The rows of a batch's file, in its order.

    Attributes:
        refs: their correlation values.
        phones: in E.164 form; empty once erased.
    """

    refs: Sequence[str] = field(repr=False)
    phones: Sequence[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.refs)


@dataclass(frozen=True, slots=True)
class Claim:
    """A reserved (workflow, phone), as a batch's sender and a reconciler see it."""

    enrolment_ref: str
    lead_key: str
    raw_phone: str | None = field(repr=False)
    phone: int | None = field(repr=False)
    state: str

    @property
    def e164(self) -> str:
        """The number as it was sent; empty once it is erased."""
        return f"+{self.phone}" if self.phone is not None else ""


@dataclass(frozen=True, slots=True)
class Count:
    """How many leads of a plan ended in one outcome, per workflow and reason."""

    workflow_id: str
    outcome: str
    reason: str
    leads: int


@dataclass(frozen=True, slots=True)
class Account:
    """Every source row of a plan, counted once: the conservation that invariant 4 asks for."""

    plan: Plan
    source_rows: int
    counts: tuple[Count, ...]

    @property
    def accounted_rows(self) -> int:
        return sum(count.leads for count in self.counts)

    @property
    def is_conserved(self) -> bool:
        return self.accounted_rows == self.source_rows

    def by_outcome(self) -> dict[str, int]:
        """Outcome → leads, over all workflows and reasons."""
        totals: dict[str, int] = {}
        for count in self.counts:
            totals[count.outcome] = totals.get(count.outcome, 0) + count.leads
        return totals
