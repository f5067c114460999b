"""Two-phase commit: fill a workflow while it sleeps, verify its list, then activate it."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from dialnexa_pipeline.api import ApiError, DialNexaClient, ListedLead
from dialnexa_pipeline.enrolment.recognising import digits_of, echoes_a_variable, is_since
from dialnexa_pipeline.enrolment.workflow_status import ASLEEP, AWAKE
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Ledger, OwedActivation, Plan

_TWICE = 2


@dataclass(frozen=True, slots=True)
class Activation:
    """What became of one sleeping workflow.

    Attributes:
        said: the sentence for people.
        needs_a_person: looking again later will not help.
    """

    workflow_id: str
    said: str
    activated: bool = False
    needs_a_person: bool = False


class ListedOnce:
    """Counts how often a workflow's list shows each enrolled number, in nine bytes a number.

    A number has one claim in a workflow, so it names the lead. A listed lead is ours unless its
    correlation value, or the time it was created, says that somebody else enrolled it.
    """

    def __init__(
        self,
        phones: Iterable[int],
        *,
        plan_ids: Collection[str],
        ref_columns: Collection[str],
        sent_from: datetime | None,
    ) -> None:
        self._phones = array("q", sorted(phones))
        self._seen = bytearray(len(self._phones))
        self._plan_ids = frozenset(plan_ids)
        self._ref_columns = ref_columns
        self._sent_from = sent_from

    @property
    def expected(self) -> int:
        """Numbers that the list must show."""
        return len(self._phones)

    @property
    def missing(self) -> int:
        """Numbers that it does not show."""
        return self._seen.count(0)

    @property
    def twice(self) -> int:
        """Numbers that it shows more than once."""
        return self._seen.count(_TWICE)

    def meet(self, lead: ListedLead) -> None:
        """Count one listed lead, if it is ours."""
        digits = digits_of(lead.phone)
        phone = int(digits) if digits else 0
        place = bisect_left(self._phones, phone)
        if place == len(self._phones) or self._phones[place] != phone:
            return
        if self._is_ours(lead):
            self._seen[place] = min(self._seen[place] + 1, _TWICE)

    def _is_ours(self, lead: ListedLead) -> bool:
        for column in self._ref_columns:
            plan_id = lead.variables.get(column, "").strip().rpartition("-")[0]
            if plan_id:
                return plan_id in self._plan_ids
        if self._ref_columns and echoes_a_variable(lead.variables):
            return False
        return is_since(lead.created_at, self._sent_from)


def owe_activations(ledger: Ledger, client: DialNexaClient, plan: Plan) -> dict[str, str]:
    """Look at each workflow before the plan is sent, and note that it is to be activated.

    Returns:
        Workflow → why nothing may be sent to it, for those that do not sleep or cannot be read.
    """
    refused: dict[str, str] = {}
    wanted = {batch.workflow_id for batch in ledger.batches.sendable(plan.plan_id)}
    for workflow_id in sorted(wanted):
        try:
            status = client.get_workflow(workflow_id).status
        except ApiError as error:
            refused[workflow_id] = f"Workflow {workflow_id}: {error} Nothing was sent to it."
            continue
        if status not in ASLEEP:
            refused[workflow_id] = (
                f"Workflow {workflow_id} is {status}, and the sync says activation: "
                "after_reconcile, so nothing was sent to it. Pause it in DialNexa and run the sync "
                "again, or set activation: as_is."
            )
    ledger.activations.owe(plan, wanted - refused.keys())
    return refused


def activate_verified(ledger: Ledger, client: DialNexaClient, *, sync: str) -> list[Activation]:
    """Activate each workflow that is owed it and whose list shows every lead exactly once.

    A workflow that cannot be verified yet is told of and left asleep; asking again is safe.
    """
    done: list[Activation] = []
    for owed in ledger.activations.owed(sync=sync):
        if owed.is_settled and not owed.enrolled:
            ledger.activations.forget(owed)
            continue
        try:
            done.append(_activate(ledger, client, sync, owed))
        except ApiError as error:
            done.append(_asleep(owed, f"{error} The reconcile job tries again."))
    return done


def _activate(
    ledger: Ledger, client: DialNexaClient, sync: str, owed: OwedActivation
) -> Activation:
    hindrance = _hindrance(ledger, sync, owed)
    if hindrance is not None:
        return _asleep(owed, hindrance)
    status = client.get_workflow(owed.workflow_id).status
    if status in AWAKE:
        ledger.activations.note_activated(owed)
        said = f"Workflow {owed.workflow_id} is active already."
        return Activation(owed.workflow_id, said, activated=True)
    if status not in ASLEEP:
        said = f"It is {status}; look at it in DialNexa. Its leads are enrolled."
        return _asleep(owed, said, needs_a_person=True)
    listed = ListedOnce(
        ledger.activations.enrolled_phones(owed),
        plan_ids=owed.plan_ids,
        ref_columns=owed.ref_columns,
        sent_from=owed.sent_from,
    )
    for lead in client.list_leads(owed.workflow_id):
        listed.meet(lead)
    if listed.twice:
        return _asleep(
            owed,
            f"{listed.twice} of its {listed.expected} leads are listed more than once. Remove the "
            "surplus in DialNexa; the reconcile job then activates it.",
            needs_a_person=True,
        )
    if listed.missing:
        return _asleep(
            owed,
            f"{listed.missing} of its {listed.expected} leads are not listed yet. The reconcile "
            "job looks again; if they were removed on purpose, activate it in DialNexa.",
        )
    if owed not in ledger.activations.owed(sync=sync):
        return _asleep(owed, "Another run sent to it meanwhile. The reconcile job looks again.")
    hindrance = _hindrance(ledger, sync, owed)
    if hindrance is not None:
        return _asleep(owed, hindrance)
    reach("activate.verified")
    client.set_workflow_status(owed.workflow_id, "activate")
    ledger.activations.note_activated(owed)
    said = (
        f"Workflow {owed.workflow_id} is activated: each of its {listed.expected} leads is listed "
        "exactly once."
    )
    return Activation(owed.workflow_id, said, activated=True)


def _hindrance(ledger: Ledger, sync: str, owed: OwedActivation) -> str | None:
    """What the ledger holds against activating now: to activate is to let the calls begin."""
    for stop in ledger.switches.standing():
        if stop.sync in {None, sync}:
            return f"{stop.sentence}."
    if owed.in_doubt:
        return (
            f"{owed.in_doubt} batches in it have no sure answer. The reconcile job settles them "
            "and activates it."
        )
    if owed.unsent:
        return f"{owed.unsent} batches for it are not sent. Run the sync again."
    return None


def _asleep(owed: OwedActivation, why: str, *, needs_a_person: bool = False) -> Activation:
    said = f"Workflow {owed.workflow_id} is not activated: {why}"
    return Activation(owed.workflow_id, said, needs_a_person=needs_a_person)
