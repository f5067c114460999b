"""Send a plan's batches and write down what each answer proves, and no more than that."""

import hashlib
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from dialnexa_pipeline.api import (
    Accepted,
    CallRefused,
    DialNexaClient,
    FileRefused,
    InDoubt,
    NothingHappened,
    RowsRefused,
    SentRow,
)
from dialnexa_pipeline.enrolment.lease import LEASE, heartbeat
from dialnexa_pipeline.enrolment.resending import write_child_file
from dialnexa_pipeline.errors import StoreError
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Batch, Claim, Ledger, Plan, SendingStopped
from dialnexa_pipeline.store import Store

# The whole account is refused: no other batch can do better.
_ACCOUNT_REFUSED = frozenset({401, 402})
_POSTS_PER_BATCH = 64
_REASONS = {
    "invalid phone": "rejected/invalid_phone_number",
    "unsupported destination": "rejected/unsupported_destination_country",
    "unsupported prefix": "rejected/unsupported_prefix",
    "no enabled countries": "rejected/no_enabled_countries",
}


@dataclass(slots=True)
class SendReport:
    """What a sending pass did.

    Attributes:
        posts: requests made.
        problems: one sentence per batch or workflow that could not be sent.
        stopped: why sending ended before the last batch; None when it did not.
    """

    posts: int = 0
    problems: list[str] = field(default_factory=list[str])
    stopped: str | None = None


def send_plan(
    plan: Plan,
    *,
    ledger: Ledger,
    store: Store,
    client: DialNexaClient,
    run_id: str,
    note: Callable[[str], None] = lambda _text: None,
) -> SendReport:
    """Send every planned batch of the plan, one after another.

    A doubtful answer is never sent again (docs/design.md, invariant 3). Interrupting the run in
    mid-request puts the batch in doubt before the interruption goes on.

    Args:
        note: takes one sentence per settled batch, free of personal data.
    """
    sender = _Sender(plan, ledger, store, client, run_id=run_id, note=note)
    sender.run()
    ledger.batches.list_unsent(plan.plan_id)
    return sender.report


class _Sender:
    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        store: Store,
        client: DialNexaClient,
        *,
        run_id: str,
        note: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._store = store
        self._client = client
        self._run_id = run_id
        self._note = note
        self._owner = f"{run_id}-{secrets.token_hex(4)}"
        self._closed_workflows: set[str] = set()
        self._posts_of_root: dict[str, int] = {}
        self._root: dict[str, str] = {}
        self.report = SendReport()

    def run(self) -> None:
        queue = deque(self._ledger.batches.sendable(self._plan.plan_id))
        while queue and self.report.stopped is None:
            batch = queue.popleft()
            if batch.workflow_id not in self._closed_workflows:
                queue.extendleft(reversed(self._send(batch)))

    def _send(self, batch: Batch) -> list[Batch]:
        """Send one batch; return new batches that its refusal made."""
        content = self._read_checked(batch)
        claims = self._ledger.batches.claims_of(batch.batch_id)
        try:
            taken = self._ledger.batches.start_sending(
                batch.batch_id, owner=self._owner, run_id=self._run_id, lease=LEASE
            )
        except SendingStopped as stop:
            self.report.stopped = str(stop)
            return []
        if not taken:
            self._note(f"Batch {batch.batch_id}: another run took or released it first.")
            return []
        reach("send.taken")
        rows = [SentRow(ref=claim.enrolment_ref, phone=claim.e164) for claim in claims]
        root = self._root.setdefault(batch.batch_id, batch.batch_id)
        self._posts_of_root[root] = self._posts_of_root.get(root, 0) + 1
        self.report.posts += 1
        filename = (batch.file_path or batch.batch_id).rsplit("/", 1)[-1]
        try:
            with heartbeat(self._ledger, batch.batch_id, self._owner):
                answer = self._client.upload_leads(batch.workflow_id, filename, content, rows=rows)
        except NothingHappened as nothing:
            self._ledger.batches.return_to_planned(
                batch.batch_id, owner=self._owner, detail=str(nothing)
            )
            self.report.stopped = (
                f"{nothing} Nothing of batch {batch.batch_id} was sent; it stays planned. "
                "Run the sync again later."
            )
            return []
        except RowsRefused as refused:
            return self._settle_refused(batch, claims, refused)
        except (CallRefused, FileRefused) as refused:
            self._fail(batch, refused)
            return []
        except InDoubt as doubt:
            self._doubt(batch, str(doubt))
            return []
        except BaseException:
            # Terminated or broken in mid-request: the server may have the whole file.
            self._doubt(batch, "The run was interrupted while DialNexa was answering.")
            raise
        reach("send.answered")
        self._settle_accepted(batch, claims, answer)
        reach("send.settled")
        return []

    def _read_checked(self, batch: Batch) -> bytes:
        content = self._store.read(batch.file_path or "")
        if hashlib.sha256(content).hexdigest() != batch.sha256:
            raise StoreError(
                f"Batch {batch.batch_id}: the file {batch.file_path} in the store is not the one "
                "that was written (SHA-256 differs). Nothing of it was sent. Run the sync again: "
                "it is planned anew."
            )
        return content

    def _settle_accepted(self, batch: Batch, claims: list[Claim], answer: Accepted) -> None:
        ids = {
            claim.enrolment_ref: next(iter(answer.lead_ids.get(claim.e164, ())), None)
            for claim in claims
            if answer.complete or claim.e164 in answer.lead_ids
        }
        if answer.complete:
            self._ledger.batches.settle_enrolled(batch.batch_id, owner=self._owner, lead_ids=ids)
            self._note(
                f"Batch {batch.batch_id}: {len(claims)} leads enrolled in {batch.workflow_id}."
            )
            return
        missing = len(claims) - len(ids)
        self._ledger.batches.put_in_doubt(
            batch.batch_id,
            owner=self._owner,
            reason="in_doubt/partial_answer",
            detail=f"DialNexa's answer accounts for {len(ids)} of {len(claims)} rows.",
            enrolled=ids,
        )
        self._note(f"Batch {batch.batch_id}: {missing} of {len(claims)} rows are in doubt.")

    def _settle_refused(
        self, batch: Batch, claims: list[Claim], refused: RowsRefused
    ) -> list[Batch]:
        rejected: dict[str, tuple[str, str | None]] = {}
        by_phone = {claim.e164: claim.enrolment_ref for claim in claims}
        for error in refused.errors:
            ref = by_phone.get(error.phone or "")
            if ref is None and error.index is not None and 0 <= error.index < len(claims):
                ref = claims[error.index].enrolment_ref
            if ref is not None:
                rejected[ref] = (reason_code(error.reason), error.detail or error.reason)
        if not rejected:
            return self._settle_unattributed(batch, claims, refused)
        child = self._ledger.batches.settle_rejected(
            batch.batch_id, owner=self._owner, rejected=rejected, detail=refused.detail
        )
        self._note(
            f"Batch {batch.batch_id}: DialNexa refused {len(rejected)} of {len(claims)} rows; "
            "the rest is sent in a new file."
        )
        return self._children(batch, [child] if child else [])

    def _settle_unattributed(
        self, batch: Batch, claims: list[Claim], refused: RowsRefused
    ) -> list[Batch]:
        """A 400 that names no row: halve the file until the bad rows stand alone."""
        spent = self._posts_of_root[self._root[batch.batch_id]]
        if len(claims) > 1 and spent < _POSTS_PER_BATCH:
            halves = self._ledger.batches.split(
                batch.batch_id, owner=self._owner, detail=refused.detail
            )
            self._note(f"Batch {batch.batch_id}: refused without naming rows; halved.")
            return self._children(batch, halves)
        reason = "rejected/unattributed" if len(claims) == 1 else "rejected/unresolved"
        self._ledger.batches.settle_rejected(
            batch.batch_id,
            owner=self._owner,
            rejected={claim.enrolment_ref: (reason, refused.detail) for claim in claims},
            detail=refused.detail,
        )
        self._note(f"Batch {batch.batch_id}: {len(claims)} rows kept as {reason}.")
        return []

    def _children(self, parent: Batch, child_ids: list[str]) -> list[Batch]:
        children: list[Batch] = []
        for child_id in child_ids:
            self._root[child_id] = self._root[parent.batch_id]
            children.append(write_child_file(parent, child_id, self._ledger, self._store))
        return children

    def _fail(self, batch: Batch, refused: CallRefused | FileRefused) -> None:
        self._ledger.batches.fail(
            batch.batch_id,
            owner=self._owner,
            reason="planned/call_refused",
            detail=str(refused),
        )
        problem = f"Workflow {batch.workflow_id}, batch {batch.batch_id}: {refused}"
        self.report.problems.append(problem)
        if refused.status in _ACCOUNT_REFUSED or isinstance(refused, FileRefused):
            self.report.stopped = problem
        self._closed_workflows.add(batch.workflow_id)

    def _doubt(self, batch: Batch, detail: str) -> None:
        self._ledger.batches.put_in_doubt(
            batch.batch_id, owner=self._owner, reason="in_doubt/no_answer", detail=detail
        )
        self._note(
            f"Batch {batch.batch_id}: the answer is unknown, so its {batch.row_count} rows are in "
            "doubt and are not sent again; `dialnexa reconcile` settles them."
        )


def reason_code(vendor_reason: str) -> str:
    """Our reason code for one of DialNexa's row reasons (docs/dialnexa-api.md)."""
    lowered = vendor_reason.lower()
    for words, code in _REASONS.items():
        if words in lowered:
            return code
    return "rejected/refused"
