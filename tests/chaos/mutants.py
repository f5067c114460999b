"""The protocol broken on purpose, in the process that calls one of these and in no other.

Each function takes away one thing that keeps people from being enrolled twice or lost; the
harness proves itself by noticing every one.
"""

# Class members are replaced, which no type allows.
# pyright: reportAttributeAccessIssue=false, reportPrivateUsage=false

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from dialnexa_pipeline.api import Accepted, DialNexaClient, InDoubt, NothingHappened
from dialnexa_pipeline.ledger import Batches, Doubts, Plans

MUTANTS = (
    "claims_are_not_enforced",
    "sent_before_it_is_noted",
    "a_5xx_counts_as_not_sent",
    "a_timeout_is_posted_again",
    "absence_counts_at_once",
    "leases_run_out_at_once",
    "a_shortfall_is_ignored",
    "a_doubt_is_planned_again",
)


def claims_are_not_enforced() -> None:
    """A claim is written and reserves nothing."""
    claim = Plans.claim

    def claimed(self: Plans, *arguments: Any, **options: Any) -> set[str]:
        won = claim(self, *arguments, **options)
        with self._database.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM live_claims")
        return won

    Plans.claim = claimed


def sent_before_it_is_noted() -> None:
    """`sending` is written down only together with what the answer says."""
    own = Batches._own
    runs: dict[str, str] = {}

    def started(self: Batches, batch_id: str, *, run_id: str, **_options: Any) -> bool:
        runs[batch_id] = run_id
        return self.get(batch_id).state == "planned"

    def owned(self: Batches, connection: sa.Connection, batch_id: str, owner: str) -> Any:
        connection.execute(
            sa.text(
                "UPDATE batches SET state = 'sending', lease_owner = :owner, sent_by_run = :run, "
                "sent_at = created_at WHERE batch_id = :batch_id AND state = 'planned'"
            ),
            {"owner": owner, "run": runs[batch_id], "batch_id": batch_id},
        )
        return own(self, connection, batch_id, owner)

    Batches.start_sending = started
    Batches.renew_lease = lambda *_arguments, **_options: True
    Batches.renew_leases = lambda *_arguments, **_options: 0
    Batches._own = owned


def a_5xx_counts_as_not_sent() -> None:
    """A 504 is believed to mean that nothing happened."""

    def uploaded(upload: Callable[[], Accepted]) -> Accepted:
        try:
            return upload()
        except InDoubt as doubt:
            if (doubt.status or 0) >= 500:
                raise NothingHappened(str(doubt), reason="connection") from doubt
            raise

    _around_upload(uploaded)


def a_timeout_is_posted_again() -> None:
    """A request without an answer is simply made again."""

    def uploaded(upload: Callable[[], Accepted]) -> Accepted:
        try:
            return upload()
        except InDoubt as doubt:
            if doubt.status is None:
                return upload()
            raise

    _around_upload(uploaded)


def absence_counts_at_once() -> None:
    """One listing without a row proves that it never arrived."""
    Doubts.note_absence = lambda *_arguments, **_options: True


def leases_run_out_at_once() -> None:
    """A sender is held for dead as soon as it began."""
    start = Batches.start_sending

    def started(self: Batches, batch_id: str, **options: Any) -> bool:
        return start(self, batch_id, **{**options, "lease": timedelta(0)})

    Batches.start_sending = started
    Batches.renew_lease = lambda *_arguments, **_options: True
    Batches.renew_leases = lambda *_arguments, **_options: 0


def a_shortfall_is_ignored() -> None:
    """A 2xx counts for all rows, whatever it says."""
    _around_upload(lambda upload: replace(upload(), complete=True))


def a_doubt_is_planned_again() -> None:
    """What is in doubt is sent once more instead of being looked up."""

    def returned(self: Batches, batch_id: str, *, owner: str, detail: str, **_more: Any) -> None:
        self.return_to_planned(batch_id, owner=owner, detail=detail)

    Batches.put_in_doubt = returned


def _around_upload(uploaded: Callable[[Callable[[], Accepted]], Accepted]) -> None:
    upload = DialNexaClient.upload_leads

    def wrapped(self: DialNexaClient, *arguments: Any, **options: Any) -> Accepted:
        return uploaded(lambda: upload(self, *arguments, **options))

    DialNexaClient.upload_leads = wrapped
