"""Settle batches in doubt by listing their workflow: presence is proof, absence takes patience."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from dialnexa_pipeline.api import ApiError, DialNexaClient
from dialnexa_pipeline.enrolment.recognising import DoubtfulClaims
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Batch, Ledger

_NOTED_EVERY = 100


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """What a listing said of one batch, in rows.

    Attributes:
        enrolled: shown by the listing.
        absent: proved absent, and free to be planned again.
        waiting: neither proved nor given up; a later listing decides.
        held: proved absent, and waiting for a person (`in_doubt: hold`).
        problem: why the workflow could not be listed; None when it was.
    """

    batch_id: str
    sync: str
    workflow_id: str
    enrolled: int
    absent: int
    waiting: int
    held: int = 0
    problem: str | None = None


def reconcile(
    ledger: Ledger,
    client: DialNexaClient,
    *,
    settle: timedelta,
    confirm: timedelta,
    sync: str | None = None,
    release: bool = False,
    note_listed: Callable[[int], None] = lambda _leads: None,
) -> list[SettledBatch]:
    """List each workflow that has batches in doubt, once, and settle what the list proves.

    A workflow that cannot be listed leaves its batches as they are and says why; the others are
    settled. Held rows alone are no reason to list a workflow.

    Args:
        settle: how long absence means nothing after the doubt arose.
        confirm: how far apart the two listings must lie that agree on absence.
        sync: only this sync's batches; None for all.
        release: a person lets rows go that are held, if this listing lacks them too.
        note_listed: takes how many leads were listed by now.
    """
    ledger.doubts.put_dead_senders_in_doubt()
    by_workflow: dict[str, list[Batch]] = {}
    for batch in ledger.doubts.batches(sync=sync):
        by_workflow.setdefault(batch.workflow_id, []).append(batch)
    settled: list[SettledBatch] = []
    listed = 0
    for workflow_id, batches in by_workflow.items():
        if not release and all(batch.is_held for batch in batches):
            settled += [_unlisted(ledger, batch) for batch in batches]
            continue
        began = ledger.doubts.clock()
        doubtful = DoubtfulClaims(ledger, batches)
        try:
            for lead in client.list_leads(workflow_id):
                doubtful.meet(lead)
                listed += 1
                if listed % _NOTED_EVERY == 0:
                    note_listed(listed)
        except ApiError as error:
            settled += [_unlisted(ledger, batch, str(error)) for batch in batches]
            continue
        reach("reconcile.listed")
        for batch in batches:
            found = doubtful.found_in(batch)
            missing = ledger.doubts.settle_found(batch.batch_id, found)
            reach("reconcile.found_settled")
            absent = held = 0
            if missing:
                proved = ledger.doubts.note_absence(
                    batch.batch_id, listing_began=began, settle=settle, confirm=confirm
                )
                reach("reconcile.absence_noted")
                is_held = ledger.batches.get(batch.batch_id).is_held
                if proved or (release and is_held):
                    absent = ledger.doubts.settle_absent(batch.batch_id)
                    reach("reconcile.absent_settled")
                held = missing - absent if is_held else 0
            settled.append(
                SettledBatch(
                    batch.batch_id,
                    batch.sync,
                    workflow_id,
                    enrolled=len(found),
                    absent=absent,
                    waiting=missing - absent - held,
                    held=held,
                )
            )
    return settled


def _unlisted(ledger: Ledger, batch: Batch, problem: str | None = None) -> SettledBatch:
    rows = len(ledger.doubts.claims_of(batch.batch_id))
    held = rows if batch.is_held else 0
    return SettledBatch(
        batch.batch_id,
        batch.sync,
        batch.workflow_id,
        enrolled=0,
        absent=0,
        waiting=rows - held,
        held=held,
        problem=problem,
    )
