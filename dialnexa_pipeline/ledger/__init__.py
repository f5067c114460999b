"""The ledger: the durable, transactional memory of claims and batches."""

from dialnexa_pipeline.database_errors import shown
from dialnexa_pipeline.ledger.accounts import (
    Accounts,
    PendingChanges,
    RecordedRejection,
)
from dialnexa_pipeline.ledger.activations import Activations, OwedActivation
from dialnexa_pipeline.ledger.approvals import (
    Approval,
    Approvals,
    HeldPlan,
    Hold,
    NothingHeld,
    PlanHeld,
    approve_command,
)
from dialnexa_pipeline.ledger.changes import RecordTable
from dialnexa_pipeline.ledger.corrections import Correction, Corrections
from dialnexa_pipeline.ledger.cursors import Cursor, Cursors, PlanRead
from dialnexa_pipeline.ledger.database import LedgerDatabase, LedgerUnavailable, ledger_exists
from dialnexa_pipeline.ledger.doubts import Doubts
from dialnexa_pipeline.ledger.erasures import BatchFile, Erasures, NotWithdrawn
from dialnexa_pipeline.ledger.held_numbers import NOBODY, HeldNumbers
from dialnexa_pipeline.ledger.histories import (
    ClaimHistory,
    Histories,
    History,
    PlanSummary,
    RefusalHistory,
)
from dialnexa_pipeline.ledger.holders import Holders
from dialnexa_pipeline.ledger.live_claims import key_hashes
from dialnexa_pipeline.ledger.numbering import enrolment_ref, enrolment_refs
from dialnexa_pipeline.ledger.overlapping import KnownPartition, Partitions
from dialnexa_pipeline.ledger.pairs import codes_of, numbers_of_pairs
from dialnexa_pipeline.ledger.planning import Plans, PlanSuperseded
from dialnexa_pipeline.ledger.records import (
    REFUSED,
    REPLAY,
    Account,
    Batch,
    BatchOnDisk,
    BatchRows,
    BatchState,
    Candidates,
    Claim,
    Count,
    Holder,
    Plan,
    RefusedRow,
)
from dialnexa_pipeline.ledger.rejections import RefusedRows
from dialnexa_pipeline.ledger.sending import Batches, LeaseLost
from dialnexa_pipeline.ledger.switches import SendingStopped, Stop, Switches
from dialnexa_pipeline.ledger.totals import RefusedShare, Totals
from dialnexa_pipeline.ledger.watching import Doubt, ReadyPlan, UnsentLeads, Watching
from dialnexa_pipeline.ledger.withdrawals import StandingClaim, Withdrawals


class Ledger:
    """The faces of one ledger database: plans, batches, doubts, accounts, and people's words.

    Raises:
        ConfigError: the URL is not a SQLite file or a PostgreSQL database.
        LedgerUnavailable: the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._database = LedgerDatabase(url)
        self.plans = Plans(self._database)
        self.holders = Holders(self._database)
        self.batches = Batches(self._database)
        self.doubts = Doubts(self._database)
        self.accounts = Accounts(self._database)
        self.approvals = Approvals(self._database)
        self.switches = Switches(self._database)
        self.withdrawals = Withdrawals(self._database)
        self.erasures = Erasures(self._database)
        self.activations = Activations(self._database)
        self.histories = Histories(self._database)
        self.totals = Totals(self._database)
        self.corrections = Corrections(self._database)
        self.watching = Watching(self._database)
        self.cursors = Cursors(self._database)
        self.partitions = Partitions(self._database)

    @property
    def shown(self) -> str:
        """Where it is, without secrets."""
        return shown(self._database.engine.url)

    def close(self) -> None:
        """Give the connections back; the ledger is not used afterwards."""
        self._database.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


__all__ = [
    "NOBODY",
    "REFUSED",
    "REPLAY",
    "Account",
    "Accounts",
    "Activations",
    "Approval",
    "Approvals",
    "Batch",
    "BatchFile",
    "BatchOnDisk",
    "BatchRows",
    "BatchState",
    "Batches",
    "Candidates",
    "Claim",
    "ClaimHistory",
    "Correction",
    "Corrections",
    "Count",
    "Cursor",
    "Cursors",
    "Doubt",
    "Doubts",
    "Erasures",
    "HeldNumbers",
    "HeldPlan",
    "Histories",
    "History",
    "Hold",
    "Holder",
    "KnownPartition",
    "LeaseLost",
    "Ledger",
    "LedgerUnavailable",
    "NotWithdrawn",
    "NothingHeld",
    "OwedActivation",
    "Partitions",
    "PendingChanges",
    "Plan",
    "PlanHeld",
    "PlanRead",
    "PlanSummary",
    "PlanSuperseded",
    "Plans",
    "ReadyPlan",
    "RecordTable",
    "RecordedRejection",
    "RefusalHistory",
    "RefusedRow",
    "RefusedRows",
    "RefusedShare",
    "SendingStopped",
    "StandingClaim",
    "Stop",
    "Switches",
    "Totals",
    "UnsentLeads",
    "Watching",
    "Withdrawals",
    "approve_command",
    "codes_of",
    "enrolment_ref",
    "enrolment_refs",
    "key_hashes",
    "ledger_exists",
    "numbers_of_pairs",
]
