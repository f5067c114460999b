"""Whatever happens to plans and batches, every row has one outcome and every number one claim."""

from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.ledger import Count, Ledger, Plan
from dialnexa_pipeline.ledger.records import Batch
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import LEASE, on_disk

_STEPS = [
    *("plan", "send", "send", "enrol", "enrol part", "reject", "split", "return", "fail"),
    *("doubt", "die", "find", "absent", "unsent"),
]
_PARTITIONS = ("p", "q")


@given(
    steps=st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 3)), max_size=14),
    rows=st.integers(1, 6),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happens_rows_are_conserved_and_live_claims_are_unique(
    ledger: Ledger, steps: list[tuple[str, int]], rows: int
) -> None:
    world = World(ledger, rows)
    world.plan(0)
    for step, choice in steps:
        world.take(step, choice)
        world.check()


class World:
    """One workflow and the same numbers, asked for by two syncs in two partitions each."""

    def __init__(self, ledger: Ledger, rows: int) -> None:
        self._ledger = ledger
        self._rows = rows
        self._name = uuid4().hex[:8]
        self._plans: list[Plan] = []

    def plan(self, choice: int) -> None:
        """Plan as a run does: what loses its claim is counted as a duplicate."""
        plans = self._ledger.plans
        plan = plans.begin(
            sync=f"{self._name}-{choice // 2}", partition_key=_PARTITIONS[choice % 2], run_id="r"
        )
        batch_id = f"b-{plan.plan_id}"
        numbers = range(choice, choice + self._rows)
        won = claim(self._ledger, plan, numbers, batch_id, workflow=self._name, ref_column="ref")
        if won:
            plans.batch_is_on_disk(batch_id, file_path="f", sha256="s", file_bytes=1)
        lost = self._rows - len(won)
        plans.refuse(
            plan,
            refused_table([]),
            [Count(self._name, "duplicate", "duplicate/same_number", lost)] if lost else [],
        )
        plans.make_ready(plan, source_rows=self._rows, phone_metadata="9")
        self._plans.append(plan)

    def take(self, step: str, choice: int) -> None:
        """One transition on the chosen batch that it fits; nothing when none fits."""
        batches, doubts = self._ledger.batches, self._ledger.doubts
        if step == "plan":
            self.plan(choice)
        elif step == "unsent":
            batches.list_unsent(self._plans[choice % len(self._plans)].plan_id)
        elif step in ("send", "die"):
            if batch := self._pick("planned", choice):
                on_disk(self._ledger, batch.batch_id)
                lease = LEASE if step == "send" else -LEASE
                batches.start_sending(batch.batch_id, owner="me", run_id="r", lease=lease)
                if step == "die":
                    assert doubts.put_dead_senders_in_doubt() == [batch.batch_id]
        elif step in ("find", "absent"):
            if batch := self._pick("in_doubt", choice):
                if step == "absent":
                    doubts.settle_absent(batch.batch_id)
                else:
                    refs = self._refs(batch)[: choice + 1]
                    doubts.settle_found(batch.batch_id, dict.fromkeys(refs, "l"))
        elif batch := self._pick("sending", choice):
            self._answer(step, batch)

    def _answer(self, step: str, batch: Batch) -> None:
        batches, batch_id, refs = self._ledger.batches, batch.batch_id, self._refs(batch)
        if step == "enrol":
            batches.settle_enrolled(batch_id, owner="me", lead_ids=dict.fromkeys(refs))
        elif step == "reject":
            rejected = {refs[0]: ("rejected/refused", None)}
            batches.settle_rejected(batch_id, owner="me", rejected=rejected, detail="x")
        elif step == "split":
            batches.split(batch_id, owner="me", detail="x")
        elif step == "return":
            batches.return_to_planned(batch_id, owner="me", detail="x")
        elif step == "fail":
            batches.fail(batch_id, owner="me", reason="planned/call_refused", detail="x")
        else:
            batches.put_in_doubt(
                batch_id,
                owner="me",
                reason="in_doubt/no_answer",
                detail="x",
                enrolled=dict.fromkeys(refs[:1]) if step == "enrol part" else None,
            )

    def check(self) -> None:
        """Conservation of every plan; no number enrolled, planned or in doubt twice."""
        holding: list[int] = []
        for plan in self._plans:
            account = self._ledger.accounts.of_plan(plan.plan_id)
            assert account.is_conserved, account
            for batch in self._ledger.batches.of_plan(plan.plan_id):
                found = self._ledger.batches.claims_of(batch.batch_id)
                assert batch.row_count == len(found) or batch.state == "rejected"
                holding += [
                    claim.phone
                    for claim in found
                    if claim.state in ("planned", "in_doubt", "enrolled")
                ]
        assert len(holding) == len(set(holding))
        held = self._ledger.holders.find([self._name], [919800000000 + n for n in range(12)])
        assert {phone for _, phone in held} == set(holding), (
            "a claim is live exactly while it stands for a call"
        )

    def _pick(self, state: str, choice: int) -> Batch | None:
        fitting = [
            batch
            for plan in self._plans
            for batch in self._ledger.batches.of_plan(plan.plan_id)
            if batch.state == state and batch.row_count > 0
        ]
        return fitting[choice % len(fitting)] if fitting else None

    def _refs(self, batch: Batch) -> list[str]:
        return [c.enrolment_ref for c in self._ledger.batches.claims_of(batch.batch_id)]
