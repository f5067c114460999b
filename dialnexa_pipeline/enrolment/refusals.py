"""What a 400 about rows means: bad rows out, the rest on in new files, all within a budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dialnexa_pipeline.api import PositionError, RowsRefused
from dialnexa_pipeline.enrolment.budget import PostBudget
from dialnexa_pipeline.enrolment.patience import patiently
from dialnexa_pipeline.enrolment.positions import Conventions, Guess, name_every_row
from dialnexa_pipeline.enrolment.resending import write_children
from dialnexa_pipeline.enrolment.settling import Settling
from dialnexa_pipeline.ledger import Batch, Claim, Ledger
from dialnexa_pipeline.store import Store

_REASONS = {
    "invalid phone": "rejected/invalid_phone_number",
    "unsupported destination": "rejected/unsupported_destination_country",
    "unsupported prefix": "rejected/unsupported_prefix",
    "no enabled countries": "rejected/no_enabled_countries",
}
# enrolment_ref → (reason, detail).
_Rejected = dict[str, tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class _OpenGuess:
    """Suspects wait, not sent, until the rest of their file is answered."""

    guess: Guess
    suspects: Batch
    rejected: _Rejected
    detail: str


class Refusals:
    """Settles refused batches of one run and says what is to be sent next."""

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        settling: Settling,
        budget: PostBudget,
        *,
        owner: str,
        note: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._settling = settling
        self._budget = budget
        self._owner = owner
        self._note = note
        self._conventions = Conventions()
        # By the batch that holds the rest.
        self._guesses: dict[str, _OpenGuess] = {}

    def settle(self, batch: Batch, claims: Sequence[Claim], refused: RowsRefused) -> list[Batch]:
        """Settle a batch that DialNexa refused; return the batches to send next, in order."""
        opened = self._guesses.pop(batch.batch_id, None)
        if opened is not None:
            self._conventions.rule_out(self._budget.root_of(batch), opened.guess)
        following = self._settle(batch, claims, refused)
        return following if opened is None else [opened.suspects, *following]

    def accepted(self, batch: Batch) -> None:
        """Every row of the batch was enrolled: a guess that it tested was right.

        DialNexa named as many rows as were taken out, and no other row was bad: the suspects are
        the rows it meant, and are rejected without being sent.
        """
        opened = self._guesses.pop(batch.batch_id, None)
        if opened is None:
            return
        self._conventions.prove(opened.guess)
        self._reject_unsent(opened.suspects, opened.rejected, opened.detail)

    def unanswered(self, batch: Batch) -> list[Batch]:
        """The batch's answer tests no guess: suspects of one are sent as any other batch."""
        opened = self._guesses.pop(batch.batch_id, None)
        return [] if opened is None else [opened.suspects]

    def give_up(self, batch: Batch) -> bool:
        """Settle a descendant without sending it when its root's budget is spent."""
        if batch.parent_batch_id is None or not self._budget.is_spent(batch):
            return False
        detail = patiently(self._ledger.batches.get, batch.parent_batch_id).detail or ""
        for unsent in (batch, *self.unanswered(batch)):
            claims = patiently(self._ledger.batches.claims_of, unsent.batch_id)
            self._reject_unsent(unsent, _all(claims, "rejected/unresolved", detail), detail)
        return True

    def _settle(self, batch: Batch, claims: Sequence[Claim], refused: RowsRefused) -> list[Batch]:
        rejected = _named(claims, refused)
        if not rejected and len(claims) == 1:
            rejected = _all(claims, "rejected/unattributed", refused.detail)
        if self._budget.is_spent(batch):
            rejected = {**_all(claims, "rejected/unresolved", refused.detail), **rejected}
        if rejected:
            return self._reject(batch, claims, rejected, refused)
        root = self._budget.root_of(batch)
        guess = self._conventions.guess(root, refused.positions, len(claims))
        if guess is not None:
            return self._test(batch, claims, guess, refused)
        return self._halve(batch, refused)

    def _reject(
        self, batch: Batch, claims: Sequence[Claim], rejected: _Rejected, refused: RowsRefused
    ) -> list[Batch]:
        settled = self._settling.settle(
            batch,
            "rejected",
            lambda: self._ledger.batches.settle_rejected(
                batch.batch_id, owner=self._owner, rejected=rejected, detail=refused.detail
            ),
        )
        if not settled:
            return []
        self._note(
            f"Batch {batch.batch_id}: DialNexa refused {len(rejected)} of {len(claims)} rows"
            + ("; the rest is sent in a new file." if len(rejected) < len(claims) else ".")
        )
        return self._children(batch) if len(rejected) < len(claims) else []

    def _test(
        self, batch: Batch, claims: Sequence[Claim], guess: Guess, refused: RowsRefused
    ) -> list[Batch]:
        """Send the rest of the file first: its answer tells whether the guess is right."""
        rejected = _by_index(claims, guess.suspects)
        settled = self._settling.settle(
            batch,
            "rejected",
            lambda: self._ledger.batches.set_apart(
                batch.batch_id, owner=self._owner, refs=rejected.keys(), detail=refused.detail
            ),
        )
        if not settled:
            return []
        self._note(
            f"Batch {batch.batch_id}: refused with {len(rejected)} positions only; they are taken "
            f"to count from {guess.convention}, which the rest of the file tests."
        )
        children = self._children(batch)
        if len(children) != 2:
            return children
        one, other = children
        of_one = patiently(self._ledger.batches.claims_of, one.batch_id)
        suspects, rest = (one, other) if of_one[0].enrolment_ref in rejected else (other, one)
        self._guesses[rest.batch_id] = _OpenGuess(guess, suspects, rejected, refused.detail)
        return [rest]

    def _halve(self, batch: Batch, refused: RowsRefused) -> list[Batch]:
        """A 400 that names no row: smaller files until the bad rows stand alone."""
        settled = self._settling.settle(
            batch,
            "rejected",
            lambda: self._ledger.batches.split(
                batch.batch_id, owner=self._owner, detail=refused.detail
            ),
        )
        if not settled:
            return []
        self._note(f"Batch {batch.batch_id}: refused without naming rows; halved.")
        return self._children(batch)

    def _children(self, parent: Batch) -> list[Batch]:
        children = write_children(parent, self._ledger, self._store)
        for child in children:
            self._budget.adopt(child)
        return children

    def _reject_unsent(self, batch: Batch, rejected: _Rejected, detail: str) -> None:
        # In a lambda, so that a repetition's log line does not list every row.
        settled = patiently(
            lambda: self._ledger.batches.reject_unsent(
                batch.batch_id, rejected=rejected, detail=detail
            )
        )
        self._note(
            f"Batch {batch.batch_id}: {len(rejected)} rows rejected without being sent."
            if settled
            else f"Batch {batch.batch_id}: another run took or released it first."
        )


def _named(claims: Sequence[Claim], refused: RowsRefused) -> _Rejected:
    """Rows that the answer names, by phone or by giving every position that there is."""
    if not refused.errors and name_every_row(refused.positions, len(claims)):
        return _by_index(claims, dict(enumerate(refused.positions)))
    refs = {claim.e164: claim.enrolment_ref for claim in claims}
    return {
        refs[error.phone]: (reason_code(error.reason), error.detail or error.reason)
        for error in refused.errors
        if error.phone in refs
    }


def _by_index(claims: Sequence[Claim], errors: Mapping[int, PositionError]) -> _Rejected:
    return {
        claims[index].enrolment_ref: (reason_code(error.reason), error.detail or error.reason)
        for index, error in errors.items()
    }


def _all(claims: Sequence[Claim], reason: str, detail: str) -> _Rejected:
    return {claim.enrolment_ref: (reason, detail) for claim in claims}


def reason_code(vendor_reason: str) -> str:
    """Our reason code for one of DialNexa's row reasons, as its documents word them."""
    lowered = vendor_reason.lower()
    for words, code in _REASONS.items():
        if words in lowered:
            return code
    return "rejected/refused"
