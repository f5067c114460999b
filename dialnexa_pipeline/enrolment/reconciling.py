"""Settle batches in doubt by listing their workflow: presence is proof, absence takes patience."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from dialnexa_pipeline.api import DialNexaClient, ListedLead
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Batch, Ledger

# DialNexa's clock stamps createdAt and ours stamps sent_at; they may disagree by this much.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """What a listing said of one batch: `waiting` rows are neither proved nor given up."""

    batch_id: str
    sync: str
    workflow_id: str
    enrolled: int
    absent: int
    waiting: int


def reconcile(
    ledger: Ledger,
    client: DialNexaClient,
    *,
    settle: timedelta,
    confirm: timedelta,
    sync: str | None = None,
) -> list[SettledBatch]:
    """List each workflow that has batches in doubt, once, and settle what the list proves.

    Args:
        settle: how long absence means nothing after the doubt arose.
        confirm: how far apart the two listings must lie that agree on absence.
        sync: only this sync's batches; None for all.

    Raises:
        ApiError: a workflow cannot be listed; batches of workflows listed before are settled.
    """
    ledger.doubts.put_dead_senders_in_doubt()
    by_workflow: dict[str, list[Batch]] = {}
    for batch in ledger.doubts.batches(sync=sync):
        by_workflow.setdefault(batch.workflow_id, []).append(batch)
    settled: list[SettledBatch] = []
    for workflow_id, batches in by_workflow.items():
        wanted = _Wanted(ledger, batches)
        for lead in client.list_leads(workflow_id):
            wanted.meet(lead)
        reach("reconcile.listed")
        for batch in batches:
            found = wanted.found[batch.batch_id]
            missing = ledger.doubts.settle_found(batch.batch_id, found)
            reach("reconcile.found_settled")
            absent = 0
            if missing:
                proved = ledger.doubts.note_absence(batch.batch_id, settle=settle, confirm=confirm)
                reach("reconcile.absence_noted")
                if proved:
                    absent = ledger.doubts.settle_absent(batch.batch_id)
                    reach("reconcile.absent_settled")
            settled.append(
                SettledBatch(
                    batch.batch_id,
                    batch.sync,
                    workflow_id,
                    len(found),
                    absent,
                    missing - absent,
                )
            )
    return settled


class _Wanted:
    """The doubtful claims of one workflow, by correlation value or by phone."""

    def __init__(self, ledger: Ledger, batches: Sequence[Batch]) -> None:
        self.found: dict[str, dict[str, str]] = {batch.batch_id: {} for batch in batches}
        self._by_ref: dict[str, str] = {}
        self._by_phone: dict[str, tuple[str, Batch]] = {}
        self._ref_columns = {batch.ref_column for batch in batches if batch.ref_column}
        for batch in batches:
            for claim in ledger.batches.claims_of(batch.batch_id):
                if claim.state != "in_doubt":
                    continue
                if batch.ref_column:
                    self._by_ref[claim.enrolment_ref] = batch.batch_id
                else:
                    self._by_phone[claim.e164] = (claim.enrolment_ref, batch)

    def meet(self, lead: ListedLead) -> None:
        """Match one listed lead; somebody else's leads match nothing."""
        for column in self._ref_columns:
            ref = lead.variables.get(column)
            if ref is not None and ref in self._by_ref:
                self.found[self._by_ref[ref]][ref] = lead.id
                return
        match = self._by_phone.get(lead.phone)
        if match is None:
            return
        ref, batch = match
        sent_at, created_at = batch.sent_at, lead.created_at
        if sent_at and created_at and created_at >= sent_at - _CLOCK_TOLERANCE:
            self.found[batch.batch_id][ref] = lead.id
