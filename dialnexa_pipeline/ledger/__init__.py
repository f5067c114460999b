"""The ledger: the durable, transactional memory of claims and batches."""

from dialnexa_pipeline.ledger.accounts import (
    Accounts,
    PendingChanges,
    RecordedEnrolment,
    RecordedRejection,
)
from dialnexa_pipeline.ledger.changes import RecordTable
from dialnexa_pipeline.ledger.database import LedgerDatabase, LedgerUnavailable
from dialnexa_pipeline.ledger.doubts import Doubts
from dialnexa_pipeline.ledger.planning import Plans, PlanSuperseded
from dialnexa_pipeline.ledger.records import (
    Account,
    Batch,
    Candidate,
    Claim,
    Count,
    Holder,
    Plan,
    RefusedRow,
)
from dialnexa_pipeline.ledger.sending import Batches, LeaseLost


class Ledger:
    """The four faces of one ledger database: plans, batches, doubts and accounts.

    Raises:
        ConfigError: the URL is not a SQLite file or a PostgreSQL database.
        LedgerUnavailable: the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._database = LedgerDatabase(url)
        self.plans = Plans(self._database)
        self.batches = Batches(self._database)
        self.doubts = Doubts(self._database)
        self.accounts = Accounts(self._database)

    def close(self) -> None:
        """Give the connections back; the ledger is not used afterwards."""
        self._database.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


__all__ = [
    "Account",
    "Accounts",
    "Batch",
    "Batches",
    "Candidate",
    "Claim",
    "Count",
    "Doubts",
    "Holder",
    "LeaseLost",
    "Ledger",
    "LedgerUnavailable",
    "PendingChanges",
    "Plan",
    "PlanSuperseded",
    "Plans",
    "RecordTable",
    "RecordedEnrolment",
    "RecordedRejection",
    "RefusedRow",
]
