"""What the ledger ought to do, in plain Python, beside a vendor that shows its leads late."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

UNSENT = ("planned", "failed")


@dataclass
class ModelClaim:
    ref: str
    number: int
    plan_id: str
    batch_id: str
    state: str = "planned"
    live: bool = True


@dataclass
class ModelBatch:
    batch_id: str
    plan_id: str
    hold: bool
    state: str = "planned"
    on_disk: bool = False
    owner: str = ""
    lives: bool = True
    doubted_at: int = 0
    absent_at: int | None = None
    absent_rows: int = 0
    proved: bool = False


@dataclass
class ModelPlan:
    plan_id: str
    sync: str
    state: str = "open"
    asked: int = 0
    duplicates: int = 0


@dataclass(frozen=True)
class Effect:
    """What a request does: how much of the file is enrolled, when lists show it, and who dies."""

    share: float
    late: bool = True
    lives: bool = True


@dataclass
class Listing:
    """A list of the workflow: what it shows was there when it began."""

    began: int
    shown: frozenset[str]
    hidden_from: frozenset[str]


@dataclass
class Model:
    """Plans, batches and claims of one workflow.

    Attributes:
        now: a count of events; every event is later than the one before.
        called: enrolment refs that the vendor has enrolled, each of which is a call.
        hidden: those that its lists do not show yet.
    """

    now: int = 0
    plans: dict[str, ModelPlan] = field(default_factory=dict[str, ModelPlan])
    batches: dict[str, ModelBatch] = field(default_factory=dict[str, ModelBatch])
    claims: dict[str, ModelClaim] = field(default_factory=dict[str, ModelClaim])
    called: set[str] = field(default_factory=set[str])
    hidden: set[str] = field(default_factory=set[str])

    def make_ready(self, plan_id: str) -> None:
        """The plan may be sent; batches that got no claim are forgotten."""
        self.plans[plan_id].state = "ready"
        for batch in list(self.batches.values()):
            if batch.plan_id == plan_id and not self.claims_of(batch.batch_id):
                del self.batches[batch.batch_id]

    def claims_of(self, batch_id: str, state: str | None = None) -> list[ModelClaim]:
        return [
            claim
            for claim in self.claims.values()
            if claim.batch_id == batch_id and state in (None, claim.state)
        ]

    def held_numbers(self) -> set[int]:
        return {claim.number for claim in self.claims.values() if claim.live}

    def outcomes(self, plan: ModelPlan) -> dict[str, int]:
        """Outcome → leads: what was never sent, or never arrived, stays planned."""
        found = Counter(
            "planned" if claim.state == "released" else claim.state
            for claim in self.claims.values()
            if claim.plan_id == plan.plan_id
        )
        return dict(found + Counter(duplicate=plan.duplicates))

    def begin(self, plan_id: str, sync: str) -> None:
        for plan in self.plans.values():
            if plan.sync == sync:
                plan.state = "superseded"
                self._release(plan)
        self.plans[plan_id] = ModelPlan(plan_id, sync)

    def _release(self, plan: ModelPlan) -> None:
        for batch in self.batches.values():
            if batch.plan_id == plan.plan_id and batch.state in UNSENT:
                batch.state = "released"
                self._let_go(batch.batch_id, "planned")

    def _let_go(self, batch_id: str, state: str) -> int:
        found = self.claims_of(batch_id, state)
        for claim in found:
            claim.state, claim.live = "released", False
        return len(found)

    def claim(self, plan_id: str, batch_id: str, asked: dict[str, int], *, hold: bool) -> set[str]:
        """Refs that win, first come first served."""
        plan = self.plans[plan_id]
        self.batches[batch_id] = ModelBatch(batch_id, plan_id, hold)
        held = self.held_numbers()
        won = {ref: number for ref, number in asked.items() if number not in held}
        for ref, number in won.items():
            self.claims[ref] = ModelClaim(ref, number, plan_id, batch_id)
        plan.asked += len(asked)
        plan.duplicates += len(asked) - len(won)
        return set(won)

    def send(self, batch: ModelBatch, owner: str, effect: Effect) -> None:
        """The batch leaves, and the vendor enrols a share of it."""
        batch.state, batch.owner, batch.lives = "sending", owner, effect.lives
        rows = self.claims_of(batch.batch_id, "planned")
        taken = {claim.ref for claim in rows[: round(len(rows) * effect.share)]}
        self.called |= taken
        if effect.late:
            self.hidden |= taken

    def enrol(self, batch: ModelBatch, refs: Collection[str]) -> None:
        for claim in self.claims_of(batch.batch_id):
            if claim.ref in refs and claim.state in ("planned", "in_doubt"):
                claim.state = "enrolled"

    def doubt(self, batch: ModelBatch) -> None:
        batch.state, batch.doubted_at = "in_doubt", self.now
        for claim in self.claims_of(batch.batch_id, "planned"):
            claim.state = "in_doubt"

    def reject(self, batch: ModelBatch, refs: Collection[str]) -> None:
        batch.state = "rejected"
        for claim in self.claims_of(batch.batch_id, "planned"):
            if claim.ref in refs:
                claim.state, claim.live = "rejected", False

    def move(self, child_id: str, parent: ModelBatch, refs: Collection[str]) -> None:
        self.batches[child_id] = ModelBatch(child_id, parent.plan_id, parent.hold)
        for ref in refs:
            self.claims[ref].batch_id = child_id

    def list(self) -> Listing:
        hidden_from = frozenset(self.claims[ref].batch_id for ref in self.hidden)
        return Listing(self.now, frozenset(self.called - self.hidden), hidden_from)

    def find(self, batch: ModelBatch, shown: Collection[str]) -> int:
        """Rows still missing after a listing was held against the batch."""
        if batch.state != "in_doubt":
            return 0
        self.enrol(batch, shown)
        missing = len(self.claims_of(batch.batch_id, "in_doubt"))
        if missing == 0:
            batch.state = "enrolled"
        return missing

    def note_absence(self, batch: ModelBatch, listing: Listing) -> bool:
        """Whether the listing is the second that agrees and lets the rows go."""
        if batch.state != "in_doubt" or listing.began < batch.doubted_at:
            return False
        missing = len(self.claims_of(batch.batch_id, "in_doubt"))
        if batch.absent_at is not None and batch.absent_rows == missing:
            batch.proved = batch.proved or listing.began > batch.absent_at
        else:
            counts = batch.batch_id not in listing.hidden_from
            batch.absent_at = self.now if counts else None
            batch.absent_rows = missing
            batch.proved = False
        return batch.proved and not batch.hold

    def settle_absent(self, batch: ModelBatch) -> int:
        missing = len(self.claims_of(batch.batch_id, "in_doubt"))
        if batch.state != "in_doubt" or (
            batch.absent_at is not None and batch.absent_rows != missing
        ):
            return 0
        batch.state = "enrolled" if self.claims_of(batch.batch_id, "enrolled") else "released"
        return self._let_go(batch.batch_id, "in_doubt")
