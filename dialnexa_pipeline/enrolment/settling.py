"""Write down what an answer proved, also when the ledger is away for a moment."""

from collections.abc import Callable

from dialnexa_pipeline.api import Accepted, CallRefused, FileRefused
from dialnexa_pipeline.enrolment.patience import patiently
from dialnexa_pipeline.enrolment.sent_rows import SentRows
from dialnexa_pipeline.ledger import Batch, LeaseLost, Ledger


class Settling:
    """Transitions of the batches that one sender holds.

    Each returns False when the lease was lost: the answer is not written down then, and
    reconciling settles the batch. Each raises LedgerUnavailable when the ledger was away for more
    than a minute.
    """

    def __init__(self, ledger: Ledger, owner: str, note: Callable[[str], None]) -> None:
        self._batches = ledger.batches
        self._owner = owner
        self._note = note

    def settle(self, batch: Batch, state: str, transition: Callable[[], object]) -> bool:
        """Make a transition that leaves the batch in `state`.

        One whose commit was lost on its way back is found done when it is repeated.
        """
        try:
            patiently(transition)
        except LeaseLost as lost:
            if patiently(self._batches.get, batch.batch_id).state != state:
                self._note(str(lost))
                return False
        return True

    def enrol(self, batch: Batch, rows: SentRows, answer: Accepted) -> bool:
        """Every row was enrolled, and the answer may name their lead ids."""
        ids = _first_ids(rows, answer)
        settled = self.settle(
            batch,
            "enrolled",
            lambda: self._batches.settle_enrolled(batch.batch_id, owner=self._owner, lead_ids=ids),
        )
        if settled:
            self._note(
                f"Batch {batch.batch_id}: {len(rows)} leads enrolled in {batch.workflow_id}."
            )
        return settled

    def doubt_the_rest(self, batch: Batch, rows: SentRows, answer: Accepted) -> bool:
        """A 2xx that accounts for some rows only: they are enrolled, the rest is in doubt."""
        ids = _first_ids(rows, answer)
        settled = self.settle(
            batch,
            "in_doubt",
            lambda: self._batches.put_in_doubt(
                batch.batch_id,
                owner=self._owner,
                reason="in_doubt/partial_answer",
                detail=f"DialNexa's answer accounts for {len(ids)} of {len(rows)} rows.",
                enrolled=ids,
            ),
        )
        if settled:
            missing = len(rows) - len(ids)
            self._note(f"Batch {batch.batch_id}: {missing} of {len(rows)} rows are in doubt.")
        return settled

    def doubt(self, batch: Batch, detail: str) -> bool:
        """The answer is unknown."""
        settled = self.settle(
            batch,
            "in_doubt",
            lambda: self._batches.put_in_doubt(
                batch.batch_id, owner=self._owner, reason="in_doubt/no_answer", detail=detail
            ),
        )
        if settled:
            self._note(
                f"Batch {batch.batch_id}: the answer is unknown, so its {batch.row_count} rows are "
                "in doubt and are not sent again; `dialnexa reconcile` settles them."
            )
        return settled

    def return_to_planned(self, batch: Batch, detail: str) -> bool:
        """The request provably did nothing."""
        return self.settle(
            batch,
            "planned",
            lambda: self._batches.return_to_planned(
                batch.batch_id, owner=self._owner, detail=detail
            ),
        )

    def fail(self, batch: Batch, refused: CallRefused | FileRefused) -> bool:
        """DialNexa refused the call or the file; the rows are kept."""
        return self.settle(
            batch,
            "failed",
            lambda: self._batches.fail(
                batch.batch_id,
                owner=self._owner,
                reason="planned/call_refused",
                detail=str(refused),
            ),
        )


def _first_ids(rows: SentRows, answer: Accepted) -> dict[str, str]:
    """Ref → lead id of the rows that an answer names; one that only counts names none."""
    if not answer.lead_ids:
        return {}
    named = ((ref, answer.lead_ids.get(phone)) for ref, phone in zip(rows.refs, rows, strict=True))
    return {ref: ids[0] for ref, ids in named if ids}
