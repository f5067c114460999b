"""The ledger against a simple model: whatever order things happen in, nobody is called twice."""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from benchmarks.chaos.all_claims import show_all_claims
from dialnexa_pipeline.ledger import Count, LeaseLost, Ledger, Plan, PlanSuperseded, enrolment_ref
from dialnexa_pipeline.ledger.tables import batches
from tests.ledger.candidates import candidates
from tests.ledger.model import Effect, Listing, Model, ModelBatch
from tests.ledger.refused import refused_table
from tests.ledger.steps import HOUR, LEASE, NOW

_NUMBERS = range(6)
_SYNCS = st.sampled_from("ab")
_SOME = st.lists(st.sampled_from(_NUMBERS), unique=True, min_size=1)
_CHOICE = st.integers(0, 60)
_OWNERS = st.sampled_from(["one", "two"])
# What the vendor did with a file decides which answers it can give.
_ANSWERS = {
    0.0: ("reject", "doubt", "split", "doubt", "set apart", "doubt", "return", "doubt", "fail"),
    0.5: ("doubt", "doubt in part"),
    1.0: ("enrol", "enrol", "doubt", "doubt in part"),
}
_EFFECTS = st.builds(
    Effect,
    share=st.sampled_from([0.0, 0.0, 0.5, 1.0]),
    lives=st.sampled_from([True, True, False]),
    late=st.booleans(),
)


class LedgerMachine(RuleBasedStateMachine):
    """Two syncs and two senders on one workflow, planners and reconcilers that overlap."""

    def __init__(self, ledger: Ledger, engine: sa.Engine) -> None:
        super().__init__()
        self.ledger = ledger
        self.engine = engine
        self.workflow = uuid4().hex
        self.model = Model()
        self.plans: dict[str, Plan] = {}
        self.shares: dict[str, float] = {}
        self.listings: list[tuple[datetime, Listing]] = []
        self.proved: list[ModelBatch] = []
        self.enrolled: set[str] = set()
        self.accounts: dict[str, dict[str, int]] = {}

    @rule(pick=_CHOICE, choice=_CHOICE, sync=_SYNCS, numbers=_SOME, hold=st.booleans())
    def planners_go_on(
        self, pick: int, choice: int, sync: str, numbers: list[int], hold: bool
    ) -> None:
        actions: list[Callable[[], None]] = [
            lambda: self.claim(choice, numbers, hold),
            lambda: self.make_ready(choice),
        ]
        # A plan that comes while another waits to be sent takes its rows: not always.
        if not self._any("planned") or len(self.plans) < 3:
            actions += [lambda: self.plan(sync, numbers, hold)] * 3
            actions += [lambda: self.begin(sync)]
        actions[pick % len(actions)]()

    @rule(pick=_CHOICE, choice=_CHOICE, answer=_CHOICE, owner=_OWNERS, effect=_EFFECTS)
    def senders_go_on(
        self, pick: int, choice: int, answer: int, owner: str, effect: Effect
    ) -> None:
        actions: list[Callable[[], None]] = [lambda: self.send_again(choice, owner)]
        if self._any("planned"):
            actions += [lambda: self.send(choice, owner, effect=effect)] * 4
        if self._any("sending"):
            actions += [lambda: self.answer(choice, answer)] * 3
            actions += [lambda: self.renew(choice, owner), lambda: self.renew_all(owner)]
        if self.shares:
            actions += [lambda: self.answer_late(choice, answer, owner)]
        actions[pick % len(actions)]()

    @rule(choice=_CHOICE)
    def somebody_looks_at_a_batch(self, choice: int) -> None:
        """Who asks for claims has them unpacked, which changes nothing that anybody sees."""
        if self.model.batches:
            batch = self._pick(choice)
            shown = self.ledger.batches.claims_of(batch.batch_id)
            refs = {claim.ref for claim in self.model.claims_of(batch.batch_id)}
            assert {claim.enrolment_ref for claim in shown} == refs

    @rule(pick=_CHOICE, choice=_CHOICE, times=st.integers(1, 3))
    def reconcilers_go_on(self, pick: int, choice: int, times: int) -> None:
        actions: list[Callable[[], None]] = [self.put_dead_senders_in_doubt]
        if len(self.listings) < 3:
            actions += [self.begin_listing]
        if self.listings:
            actions += [lambda: self.end_listing(choice)]
        if self.model.hidden:
            actions += [self.show_late_leads]
        if self._any("in_doubt"):
            actions += [lambda: self.reconcile(times)] * 2
        if self.proved:
            actions += [lambda: self.give_up_absent_rows(choice)]
        if self._held():
            actions += [lambda: self.release_held_rows(choice)]
        actions[pick % len(actions)]()

    # Planning

    @initialize(hold=st.booleans())
    def plan_all(self, hold: bool) -> None:
        self.plan("a", list(_NUMBERS), hold)

    def plan(self, sync: str, numbers: list[int], hold: bool) -> None:
        """A whole plan in two batches."""
        self.begin(sync)
        middle = len(numbers) // 2
        for half in (numbers[:middle], numbers[middle:]):
            if half:
                self.claim(0, half, hold)
        self.make_ready(0)

    def begin(self, sync: str) -> None:
        self._tick()
        plan = self.ledger.plans.begin(
            sync=f"{self.workflow}-{sync}", partition_key="", run_id=uuid4().hex
        )
        self.plans[plan.plan_id] = plan
        self.model.begin(plan.plan_id, sync)

    def claim(self, choice: int, numbers: list[int], hold: bool) -> None:
        self._tick()
        plan = self._pick_plan(choice)
        batch_id = uuid4().hex
        known = self.model.plans[plan.plan_id]
        wanted = candidates(numbers, batch_id, workflow=self.workflow, first_seq=known.asked)
        asked = {
            enrolment_ref(plan.plan_id, known.asked + n): number for n, number in enumerate(numbers)
        }
        if known.state != "open":
            with pytest.raises(PlanSuperseded):
                self.ledger.plans.claim(plan, [wanted], ref_column="ref", hold_absent=hold)
            return
        places = {ref: place for place, ref in enumerate(asked, known.asked)}
        lost_places = self.ledger.plans.claim(plan, [wanted], ref_column="ref", hold_absent=hold)
        won = {ref for ref, place in places.items() if place not in lost_places}
        assert won == self.model.claim(plan.plan_id, batch_id, asked, hold=hold)
        lost = len(asked) - len(won)
        count = Count(self.workflow, "duplicate", "duplicate/same_number", lost)
        self.ledger.plans.refuse(plan, refused_table([]), [count] if lost else [])
        if won:
            self._write_file(batch_id)

    def make_ready(self, choice: int) -> None:
        self._tick()
        plan = self._pick_plan(choice)
        known = self.model.plans[plan.plan_id]
        if known.state != "open":
            with pytest.raises(PlanSuperseded):
                self.ledger.plans.make_ready(plan, source_rows=0, phone_metadata="9")
            return
        self.ledger.plans.make_ready(plan, source_rows=known.asked, phone_metadata="9")
        self.model.make_ready(plan.plan_id)

    # Sending

    def send(self, choice: int, owner: str, *, effect: Effect) -> None:
        self._send(self._pick(choice, "planned"), owner, effect=effect)

    def send_again(self, choice: int, owner: str) -> None:
        self._send(self._pick(choice), owner, effect=Effect(1.0))

    def _send(self, batch: ModelBatch, owner: str, *, effect: Effect) -> None:
        self._tick()
        taken = self.ledger.batches.start_sending(
            batch.batch_id, owner=owner, run_id="r", lease=LEASE if effect.lives else -LEASE
        )
        assert taken == (batch.state == "planned" and batch.on_disk)
        if taken:
            self.model.send(batch, owner, effect)
            self.shares[batch.batch_id] = effect.share

    def renew(self, choice: int, owner: str) -> None:
        batch = self._pick(choice, "sending")
        renewed = self.ledger.batches.renew_lease(batch.batch_id, owner=owner, lease=LEASE)
        assert renewed == (batch.owner == owner)
        batch.lives = batch.lives or renewed

    def renew_all(self, owner: str) -> None:
        own = [
            batch
            for batch in self.model.batches.values()
            if batch.state == "sending" and batch.owner == owner
        ]
        # The ledger is that of other histories too.
        assert self.ledger.batches.renew_leases(owner=owner, lease=LEASE) >= len(own)
        for batch in own:
            batch.lives = True

    def answer_late(self, choice: int, answer: int, owner: str) -> None:
        """An answer that may come after the lease, or to somebody else."""
        sent = list(self.shares)
        batch = self.model.batches[sent[choice % len(sent)]]
        self._answer(batch, answer, owner)

    def answer(self, choice: int, answer: int) -> None:
        batch = self._pick(choice, "sending")
        self._answer(batch, answer, batch.owner)

    def _answer(self, batch: ModelBatch, answer: int, owner: str) -> None:
        self._tick()
        kinds = _ANSWERS[self.shares[batch.batch_id]]
        kind = kinds[answer % len(kinds)]
        if batch.state != "sending" or batch.owner != owner:
            with pytest.raises(LeaseLost):
                self._tell(batch, kind, owner)
            return
        refs = [claim.ref for claim in self.model.claims_of(batch.batch_id, "planned")]
        children = self._tell(batch, kind, owner)
        if kind == "enrol":
            self.model.enrol(batch, refs)
            batch.state = "enrolled"
        elif kind == "return":
            batch.state = "planned"
        elif kind == "fail":
            batch.state = "failed"
        elif kind.startswith("doubt"):
            if kind == "doubt in part":
                self.model.enrol(batch, self._proved_by_answer(batch))
            self.model.doubt(batch)
        else:
            self.model.reject(batch, refs[:1] if kind == "reject" else [])
            for child in children:
                moved = [claim.enrolment_ref for claim in self.ledger.batches.claims_of(child)]
                self.model.move(child, batch, moved)
                self._write_file(child)
            if kind == "split":
                assert len(children) == min(len(refs), 2)

    def _tell(self, batch: ModelBatch, kind: str, owner: str) -> list[str]:
        """Write an answer down; the new batches that it made."""
        books, batch_id = self.ledger.batches, batch.batch_id
        refs = [claim.ref for claim in self.model.claims_of(batch_id, "planned")]
        if kind == "enrol":
            books.settle_enrolled(batch_id, owner=owner, lead_ids=dict.fromkeys(refs, "l"))
        elif kind == "reject":
            rejected = dict.fromkeys(refs[:1], ("rejected/refused", None))
            child = books.settle_rejected(batch_id, owner=owner, rejected=rejected, detail="x")
            return [child] if child is not None else []
        elif kind == "split":
            return books.split(batch_id, owner=owner, detail="x")
        elif kind == "set apart":
            return books.set_apart(batch_id, owner=owner, refs=refs[:1], detail="x")
        elif kind == "return":
            books.return_to_planned(batch_id, owner=owner, detail="x")
        elif kind == "fail":
            books.fail(batch_id, owner=owner, reason="planned/call_refused", detail="x")
        else:
            part = self._proved_by_answer(batch) if kind == "doubt in part" else []
            books.put_in_doubt(
                batch_id,
                owner=owner,
                reason="in_doubt/no_answer",
                detail="x",
                enrolled=dict.fromkeys(part, "l"),
            )
        return []

    def _proved_by_answer(self, batch: ModelBatch) -> Collection[str]:
        rows = self.model.claims_of(batch.batch_id, "planned")
        return [claim.ref for claim in rows if claim.ref in self.model.called][:1]

    # Doubt

    def put_dead_senders_in_doubt(self) -> None:
        self._tick()
        dead = {
            batch.batch_id
            for batch in self.model.batches.values()
            if batch.state == "sending" and not batch.lives
        }
        # The database may hold what earlier examples left behind.
        found = set(self.ledger.doubts.put_dead_senders_in_doubt())
        assert found & self.model.batches.keys() == dead
        for batch_id in dead:
            self.model.doubt(self.model.batches[batch_id])

    def show_late_leads(self) -> None:
        """Lists show at last what the vendor has enrolled."""
        self.model.hidden.clear()

    def begin_listing(self) -> None:
        self._tick()
        # SQLite's clock counts milliseconds: what comes first must bear an earlier one.
        time.sleep(0.002)
        self.listings.append((self.ledger.doubts.clock(), self.model.list()))
        time.sleep(0.002)

    def end_listing(self, choice: int) -> None:
        """A listing that began some time ago, and may be long overtaken, is held against all."""
        began, listing = self.listings.pop(choice % len(self.listings))
        for batch in list(self.model.batches.values()):
            if batch.state == "in_doubt":
                self._settle(batch, began, listing)

    def reconcile(self, times: int) -> None:
        for _ in range(times):
            self.begin_listing()
            self.end_listing(len(self.listings) - 1)

    def _settle(self, batch: ModelBatch, began: datetime, listing: Listing) -> None:
        self._tick()
        shown: Mapping[str, str] = {
            claim.ref: "l"
            for claim in self.model.claims_of(batch.batch_id)
            if claim.ref in listing.shown
        }
        missing = self.ledger.doubts.settle_found(batch.batch_id, shown)
        assert missing == self.model.find(batch, shown)
        if missing:
            # A list that does not show everything yet is younger than the settle time.
            settle = HOUR if batch.batch_id in listing.hidden_from else NOW
            proved = self.ledger.doubts.note_absence(
                batch.batch_id, listing_began=began, settle=settle, confirm=NOW
            )
            assert proved == self.model.note_absence(batch, listing)
            if proved:
                self.proved.append(batch)

    def give_up_absent_rows(self, choice: int) -> None:
        """Some time after the proof, in which others may have found rows."""
        batch = self.proved.pop(choice % len(self.proved))
        given_up = self.ledger.doubts.settle_absent(batch.batch_id)
        assert given_up == self.model.settle_absent(batch)

    def release_held_rows(self, choice: int) -> None:
        batch = self._held()[choice % len(self._held())]
        assert self.ledger.batches.get(batch.batch_id).is_held
        given_up = self.ledger.doubts.settle_absent(batch.batch_id)
        assert given_up == self.model.settle_absent(batch)

    def _held(self) -> list[ModelBatch]:
        return [
            batch
            for batch in self.model.batches.values()
            if batch.state == "in_doubt" and batch.hold and batch.proved
        ]

    # What must be true after every step

    @invariant()
    def nobody_is_called_twice(self) -> None:
        numbers = [self.model.claims[ref].number for ref in self.model.called]
        assert len(numbers) == len(set(numbers))

    @invariant()
    def the_ledger_is_the_model(self) -> None:
        with self.engine.connect() as connection:
            show_all_claims(connection)
            rows = connection.execute(
                sa.text("SELECT * FROM all_claims WHERE workflow_id = :workflow"),
                {"workflow": self.workflow},
            ).all()
            states = connection.execute(
                sa.select(batches.c.batch_id, batches.c.state).where(
                    batches.c.workflow_id == self.workflow
                )
            ).all()
        assert {row.enrolment_ref: (row.batch_id, row.state, row.live) for row in rows} == {
            claim.ref: (claim.batch_id, claim.state, claim.live)
            for claim in self.model.claims.values()
        }
        assert dict(states) == {
            batch.batch_id: batch.state for batch in self.model.batches.values()
        }
        living = [row.phone for row in rows if row.live]
        assert len(living) == len(set(living))
        enrolled = {row.enrolment_ref for row in rows if row.state == "enrolled"}
        assert self.enrolled <= enrolled <= self.model.called
        self.enrolled = enrolled

    @invariant()
    def every_account_sums(self) -> None:
        for plan in self.model.plans.values():
            outcomes = self.model.outcomes(plan)
            if self.accounts.get(plan.plan_id) != outcomes:
                account = self.ledger.accounts.of_plan(plan.plan_id)
                assert account.by_outcome() == outcomes
                assert account.accounted_rows == plan.asked
                self.accounts[plan.plan_id] = outcomes

    def _tick(self) -> None:
        self.model.now += 1

    def _write_file(self, batch_id: str) -> None:
        self.ledger.plans.batch_is_on_disk(batch_id, file_path="f", sha256="s", file_bytes=1)
        self.model.batches[batch_id].on_disk = True

    def _pick_plan(self, choice: int) -> Plan:
        return list(self.plans.values())[-1 - choice % len(self.plans)]

    def _pick(self, choice: int, state: str | None = None) -> ModelBatch:
        found = [b for b in self.model.batches.values() if state in (None, b.state)]
        return found[-1 - choice % len(found)]

    def _any(self, state: str) -> bool:
        return any(batch.state == state for batch in self.model.batches.values())


def run(ledger: Ledger, url: str, *, examples: int, steps: int) -> None:
    engine = sa.create_engine(url)
    effort = settings(
        max_examples=examples,
        stateful_step_count=steps,
        # The same histories each time: a failure here is a change of the code, not of luck.
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: LedgerMachine(ledger, engine), settings=effort)
    engine.dispose()


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_whatever_happens_to_a_sqlite_ledger(ledger: Ledger, ledger_url: str) -> None:
    run(ledger, ledger_url, examples=40, steps=40)


@pytest.mark.parametrize("ledger_url", ["postgres"], indirect=True)
def test_whatever_happens_to_a_postgresql_ledger(ledger: Ledger, ledger_url: str) -> None:
    run(ledger, ledger_url, examples=12, steps=25)
