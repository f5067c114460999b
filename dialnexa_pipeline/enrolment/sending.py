"""Send a plan's batches and write down what each answer proves, and no more than that."""

import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Collection

from dialnexa_pipeline.api import (
    Accepted,
    CallRefused,
    DialNexaClient,
    FileRefused,
    InDoubt,
    NothingHappened,
    RowsRefused,
    Withheld,
)
from dialnexa_pipeline.enrolment.budget import PostBudget
from dialnexa_pipeline.enrolment.lease import lease_term, sending_heartbeat
from dialnexa_pipeline.enrolment.patience import patiently
from dialnexa_pipeline.enrolment.refusals import Refusals
from dialnexa_pipeline.enrolment.report import SendReport
from dialnexa_pipeline.enrolment.resending import read_checked
from dialnexa_pipeline.enrolment.sent_rows import SentRows
from dialnexa_pipeline.enrolment.settling import Settling
from dialnexa_pipeline.enrolment.side_by_side import Ending, work_side_by_side
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import (
    Batch,
    Ledger,
    LedgerUnavailable,
    Plan,
    SendingStopped,
)
from dialnexa_pipeline.store import Store

# The whole account is refused: no other batch can do better.
_ACCOUNT_REFUSED = frozenset({401, 402})


def send_plan(
    plan: Plan,
    *,
    ledger: Ledger,
    store: Store,
    client: DialNexaClient,
    run_id: str,
    note: Callable[[str], None] = lambda _text: None,
    max_posts: int = 64,
    closed: Collection[str] = (),
    at_once: int = 1,
) -> SendReport:
    """Send every planned batch of the plan: one workflow's batches one after another.

    A doubtful answer is never sent again (docs/design.md, invariant 3). Interrupting the run in
    mid-request puts the batch in doubt before the interruption goes on.

    Args:
        note: takes one sentence per settled batch, free of personal data, in the caller's thread.
        max_posts: requests that a planned batch may cost together with all that refusals cut out
            of it; rows that are not settled by then are `rejected/unresolved`.
        closed: workflows that nothing is sent to; their batches stay planned.
        at_once: workflows that are sent to side by side, within the pace of the API key.

    Raises:
        StoreError: a batch file is missing or was changed.
        LedgerUnavailable: the ledger was away for more than a minute.
    """
    batches: dict[str, list[Batch]] = {}
    for batch in patiently(ledger.batches.of_plan, plan.plan_id):
        if batch.workflow_id not in closed:
            batches.setdefault(batch.workflow_id, []).append(batch)
    queues: dict[str, deque[Batch]] = {}
    for batch in patiently(ledger.batches.sendable, plan.plan_id):
        if batch.workflow_id not in closed:
            queues.setdefault(batch.workflow_id, deque()).append(batch)
    ending = Ending()
    # Nobody else's: a lease under this name is held by this very pass.
    owner = f"{run_id}-{secrets.token_hex(4)}"
    senders = [
        _WorkflowSender(
            queue,
            ledger,
            store,
            client,
            ending=ending,
            budget=PostBudget(batches[workflow_id], max_posts),
            run_id=run_id,
            owner=owner,
        )
        for workflow_id, queue in queues.items()
    ]
    try:
        with sending_heartbeat(ledger, owner, lease_term()):
            tasks = [sender.run for sender in senders]
            work_side_by_side(tasks, ending, at_once=at_once, note=note)
    except BaseException:
        # Whoever is left behind in mid-request does not settle its batch any more.
        with contextlib.suppress(LedgerUnavailable):
            ledger.doubts.put_senders_of_run_in_doubt(run_id)
        raise
    patiently(ledger.batches.list_unsent, plan.plan_id)
    return SendReport.of_all(sender.report for sender in senders)


class _WorkflowSender:
    """Sends the batches of one workflow, in its own thread."""

    def __init__(
        self,
        queue: deque[Batch],
        ledger: Ledger,
        store: Store,
        client: DialNexaClient,
        *,
        ending: Ending,
        budget: PostBudget,
        run_id: str,
        owner: str,
    ) -> None:
        self._queue = queue
        self._batches = ledger.batches
        self._ledger = ledger
        self._store = store
        self._client = client
        self._ending = ending
        self._budget = budget
        self._run_id = run_id
        self._owner = owner
        self._note: Callable[[str], None] = lambda _text: None
        self._settling = Settling(ledger, owner, self._tell)
        self._refusals = Refusals(
            ledger, store, self._settling, budget, owner=owner, note=self._tell
        )
        self._is_closed = False
        self.report = SendReport()

    def run(self, note: Callable[[str], None]) -> None:
        """Send until the queue is empty, the workflow is closed or the pass ends."""
        self._note = note
        while self._queue and not self._is_closed and not self.report.is_over:
            batch = self._queue.popleft()
            self._queue.extendleft(reversed(self._send(batch)))
        if self.report.is_over:
            self._ending.come()

    def _tell(self, sentence: str) -> None:
        self._note(sentence)

    def _send(self, batch: Batch) -> list[Batch]:
        """Send one batch and settle it; return the batches to send next because of it."""
        if self._refusals.give_up(batch):
            return []
        if batch.file_path is None:
            # Somebody withdrew a lead of it before its file was cut out of its parent's.
            self._tell(f"Batch {batch.batch_id}: it was released before it had a file.")
            return self._refusals.unanswered(batch)
        content = read_checked(batch, self._store)
        rows = SentRows(self._ledger, batch)
        with self._ending.going_on() as goes_on:
            if not goes_on:
                self._is_closed = True
                return []
            try:
                taken = self._take(batch)
            except SendingStopped as stop:
                self.report.stopped = str(stop)
                return []
        if not taken:
            self._tell(f"Batch {batch.batch_id}: another run took or released it first.")
            return self._refusals.unanswered(batch)
        reach("send.taken")
        self._budget.spend(batch)
        self.report.posts += 1
        try:
            answer = self._upload(batch, content, rows)
        except RowsRefused as refused:
            claims = patiently(self._batches.claims_of, batch.batch_id)
            return self._refusals.settle(batch, claims, refused)
        except NothingHappened as nothing:
            self._stay_planned(batch, nothing)
        except Withheld:
            self._tell(
                f"Batch {batch.batch_id}: this sender was away for so long that the batch is no "
                "longer leased to it. It sent nothing more; reconciling settles the batch."
            )
        except (CallRefused, FileRefused) as refused:
            self._fail(batch, refused)
        except InDoubt as doubt:
            self._settling.doubt(batch, str(doubt))
        except LedgerUnavailable:
            raise
        except BaseException:
            # Terminated or broken in mid-request: the server may have the whole file.
            with contextlib.suppress(LedgerUnavailable):
                self._settling.doubt(batch, "The run was interrupted while DialNexa was answering.")
            raise
        else:
            reach("send.answered")
            all_enrolled = self._settle_accepted(batch, rows, answer)
            reach("send.settled")
            if all_enrolled:
                self._refusals.accepted(batch)
        return self._refusals.unanswered(batch)

    def _take(self, batch: Batch) -> bool:
        return patiently(
            self._batches.start_sending,
            batch.batch_id,
            owner=self._owner,
            run_id=self._run_id,
            lease=lease_term(),
        ) or self._still_holds(batch)

    def _may_attempt(self, batch: Batch) -> bool:
        """A lease that has just been taken is not renewed: that would be one more commit a file."""
        return patiently(
            self._batches.is_leased, batch.batch_id, owner=self._owner, still=lease_term() / 2
        ) or self._still_holds(batch)

    def _still_holds(self, batch: Batch) -> bool:
        return patiently(
            self._batches.renew_lease, batch.batch_id, owner=self._owner, lease=lease_term()
        )

    def _upload(self, batch: Batch, content: bytes, rows: SentRows) -> Accepted:
        filename = (batch.file_path or batch.batch_id).rsplit("/", 1)[-1]
        return self._client.upload_leads(
            batch.workflow_id,
            filename,
            content,
            phones=rows,
            # A sender that was stopped for long may wake up when its batch is in doubt.
            before_attempt=lambda: self._may_attempt(batch),
        )

    def _settle_accepted(self, batch: Batch, rows: SentRows, answer: Accepted) -> bool:
        if answer.complete:
            return self._settling.enrol(batch, rows, answer)
        self._settling.doubt_the_rest(batch, rows, answer)
        return False

    def _stay_planned(self, batch: Batch, nothing: NothingHappened) -> None:
        self._settling.return_to_planned(batch, str(nothing))
        sentence = (
            f"{nothing} Nothing of batch {batch.batch_id} was sent; it stays planned. "
            "Run the sync again later."
        )
        if nothing.reason == "rate_limited":
            self.report.paused = sentence
        else:
            self.report.stopped = sentence

    def _fail(self, batch: Batch, refused: CallRefused | FileRefused) -> None:
        self._settling.fail(batch, refused)
        problem = f"Workflow {batch.workflow_id}, batch {batch.batch_id}: {refused}"
        self.report.problems.append(problem)
        # A file that is refused says nothing of the files of other workflows.
        if refused.status in _ACCOUNT_REFUSED:
            self.report.stopped = problem
        self._is_closed = True
