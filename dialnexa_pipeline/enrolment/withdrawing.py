"""Withdraw people: out of DialNexa's workflows first, then out of every later plan."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from dialnexa_pipeline.api import ApiError, CallRefused, DialNexaClient, ListedLead
from dialnexa_pipeline.enrolment.recognising import digits_of
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Ledger, StandingClaim
from dialnexa_pipeline.masking import mask_phone

# A run may plan a number while it is being withdrawn, so we look again.
_LOOKS = 3


@dataclass(slots=True)
class WithdrawReport:
    """What became of the claims that were to be withdrawn.

    Attributes:
        removed: leads that are out of their workflow now.
        unsent: numbers withdrawn before they were sent.
        replanned: other leads of released batches; the next run plans them again.
        already: claims that were withdrawn before.
        waiting: sentences on claims in doubt or being sent; they must be settled first.
        problems: sentences on leads that DialNexa did not remove.
        unsettled: numbers with a claim that is not withdrawn yet.
    """

    removed: int = 0
    unsent: int = 0
    replanned: int = 0
    already: int = 0
    waiting: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    unsettled: set[int] = field(default_factory=set[int], repr=False)


def withdraw(
    find: Callable[[], list[StandingClaim]],
    *,
    ledger: Ledger,
    client: DialNexaClient,
    detail: str,
    settle: timedelta,
    note_taken: Callable[[int], None] = lambda _claims: None,
) -> WithdrawReport:
    """Withdraw every claim that `find` gives; interrupted anywhere, run it again.

    Args:
        find: looks the claims up in the ledger; called again until nothing new comes.
        detail: who withdraws and why, for the ledger.
        settle: how long a lead may be missing from the list of its workflow after it was sent.
        note_taken: takes how many claims were looked at by now.
    """
    work = _Withdrawing(ledger, client, detail, settle)
    work.note_taken = note_taken
    tried: set[str] = set()
    for look in range(_LOOKS):
        claims = [claim for claim in find() if claim.enrolment_ref not in tried]
        if not claims:
            break
        tried |= {claim.enrolment_ref for claim in claims}
        if look == 0:
            work.report.already = sum(claim.state == "withdrawn" for claim in claims)
        work.take(claim for claim in claims if claim.state != "withdrawn")
    return work.report


class _Withdrawing:
    def __init__(
        self, ledger: Ledger, client: DialNexaClient, detail: str, settle: timedelta
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._detail = detail
        self._settle = settle
        self._refused: CallRefused | None = None
        self._taken = 0
        self.note_taken: Callable[[int], None] = lambda _claims: None
        self.report = WithdrawReport()

    def take(self, claims: Iterable[StandingClaim]) -> None:
        """Unsent claims first: from then on nobody can send them."""
        enrolled: list[StandingClaim] = []
        for claim in claims:
            if claim.state == "enrolled":
                enrolled.append(claim)
            else:
                self._withdraw_unsent(claim)
        nameless: dict[str, list[StandingClaim]] = {}
        for claim in enrolled:
            if claim.lead_id is None:
                nameless.setdefault(claim.workflow_id, []).append(claim)
            else:
                self._remove(claim, [claim.lead_id])
        for workflow_id, of_workflow in nameless.items():
            self._remove_listed(workflow_id, of_workflow)

    def _withdraw_unsent(self, claim: StandingClaim) -> None:
        self._note()
        others = None
        if claim.state == "planned":
            others = self._ledger.withdrawals.withdraw_unsent(
                claim.enrolment_ref, detail=self._detail
            )
        if others is not None:
            self.report.unsent += 1
            self.report.replanned += others
            return
        self.report.unsettled.add(claim.phone)
        self._ledger.withdrawals.withdraw_if_absent(claim.enrolment_ref, detail=self._detail)
        self.report.waiting.append(
            f"{_shown(claim)} is in batch {claim.batch_id}, whose answer is not known yet. If "
            "DialNexa never received it, it stays withdrawn; otherwise it is not withdrawn yet. "
            "Run `dialnexa reconcile`, then withdraw it again."
        )

    def _remove(self, claim: StandingClaim, lead_ids: Iterable[str]) -> None:
        """Out of the workflow, then out of the ledger; 404 and 409 say that it is out already."""
        self._note()
        if self._refused is not None:
            self._fail(claim, str(self._refused))
            return
        try:
            for lead_id in lead_ids:
                self._client.delete_lead(claim.workflow_id, lead_id)
        except ApiError as error:
            if isinstance(error, CallRefused):
                self._refused = error
            self._fail(claim, str(error))
            return
        reach("withdraw.deleted")
        self._ledger.withdrawals.withdraw_enrolled(claim.enrolment_ref, detail=self._detail)
        self.report.removed += 1

    def _remove_listed(self, workflow_id: str, claims: list[StandingClaim]) -> None:
        """Answers that named no ids: one list of the workflow tells them."""
        found: dict[str, list[str]] = {claim.enrolment_ref: [] for claim in claims}
        by_phone: dict[str, list[StandingClaim]] = {}
        for claim in claims:
            by_phone.setdefault(str(claim.phone), []).append(claim)
        try:
            for lead in self._client.list_leads(workflow_id):
                echoed = {value.strip() for value in lead.variables.values()} & found.keys()
                for ref in echoed:
                    found[ref].append(lead.id)
                if echoed:
                    continue
                for claim in by_phone.get(digits_of(lead.phone), []):
                    if _is_of(lead, claim):
                        found[claim.enrolment_ref].append(lead.id)
        except ApiError as error:
            for claim in claims:
                self._fail(claim, str(error))
            return
        for claim in claims:
            if found[claim.enrolment_ref] or (claim.sent_ago or self._settle) >= self._settle:
                self._remove(claim, found[claim.enrolment_ref])
            else:
                self._fail(claim, f"It is not in the list yet; try again after {self._settle}.")

    def _note(self) -> None:
        self._taken += 1
        self.note_taken(self._taken)

    def _fail(self, claim: StandingClaim, said: str) -> None:
        self.report.unsettled.add(claim.phone)
        self.report.problems.append(f"{_shown(claim)} is not withdrawn. {said}")


def _is_of(lead: ListedLead, claim: StandingClaim) -> bool:
    """Whether a listed lead of the same number is the one that this claim stands for.

    Where the list does not tell, it is: the person wants no call of this workflow.
    """
    told = lead.variables.get(claim.ref_column) if claim.ref_column is not None else None
    return told is None or told == claim.enrolment_ref


def _shown(claim: StandingClaim) -> str:
    return f"{mask_phone(f'+{claim.phone}')} in {claim.workflow_id}"
