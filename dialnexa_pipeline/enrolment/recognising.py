"""Which leads of a workflow's list are claims of ours that are in doubt."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from dialnexa_pipeline.api import ListedLead
from dialnexa_pipeline.leads import RESERVED_VARIABLES
from dialnexa_pipeline.ledger import Batch, Ledger

# DialNexa's clock stamps createdAt and ours stamps sent_at; they may disagree by this much.
_CLOCK_TOLERANCE = timedelta(minutes=5)


class DoubtfulClaims:
    """The claims in doubt of one workflow, and which of them its list shows.

    A lead is ours when it echoes the correlation value, under whatever name. Without that it is
    ours only if nothing speaks against it: the number is one that we claim, it was not created
    before the batch was sent, and it echoes no uploaded column, or the batch carries no correlation
    column. What may be ours counts as ours, because the person would be called twice otherwise.
    """

    def __init__(self, ledger: Ledger, batches: Sequence[Batch]) -> None:
        self._batch_of_ref: dict[str, str] = {}
        self._claim_of_phone: dict[str, tuple[str, Batch]] = {}
        self._echoed: dict[str, dict[str, str]] = {batch.batch_id: {} for batch in batches}
        self._by_phone: dict[str, dict[str, str]] = {batch.batch_id: {} for batch in batches}
        for batch in batches:
            for claim in ledger.doubts.claims_of(batch.batch_id):
                if batch.ref_column:
                    self._batch_of_ref[claim.enrolment_ref] = batch.batch_id
                # A workflow has one live claim for a number, so the number names the claim.
                if claim.phone is not None:
                    self._claim_of_phone[str(claim.phone)] = (claim.enrolment_ref, batch)

    def meet(self, lead: ListedLead) -> None:
        """Match one listed lead; somebody else's matches nothing."""
        for value in lead.variables.values():
            ref = value.strip()
            batch_id = self._batch_of_ref.get(ref)
            if batch_id is not None:
                self._echoed[batch_id][ref] = lead.id
                return
        match = self._claim_of_phone.get(digits_of(lead.phone))
        if match is None:
            return
        ref, batch = match
        if batch.ref_column and echoes_a_variable(lead.variables):
            return
        if is_since(lead.created_at, batch.sent_at):
            self._by_phone[batch.batch_id][ref] = lead.id

    def found_in(self, batch: Batch) -> Mapping[str, str]:
        """Ref → lead id of the batch's claims that the list has shown; an echo names it best."""
        return self._by_phone[batch.batch_id] | self._echoed[batch.batch_id]


def digits_of(phone: str) -> str:
    """The number as claims hold it, however the list spells it."""
    digits = phone[1:]
    if phone.startswith("+") and digits.isdecimal() and digits.isascii():
        return digits
    return re.sub(r"\D", "", phone, flags=re.ASCII)


def echoes_a_variable(variables: Mapping[str, str]) -> bool:
    """The list shows an uploaded column, so it would show the correlation column as well."""
    return any(
        value.strip() and name not in RESERVED_VARIABLES for name, value in variables.items()
    )


def is_since(created_at: datetime | None, sent_at: datetime | None) -> bool:
    """Nothing says that a lead was created before a batch was sent."""
    return created_at is None or sent_at is None or created_at >= sent_at - _CLOCK_TOLERANCE
