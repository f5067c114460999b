"""The life of a batch: what each transition leaves behind, and that nothing is lost."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.ledger import LeaseLost, Ledger, Plan, enrolment_ref
from tests.ledger.candidates import claim
from tests.ledger.steps import on_disk, outcomes

LEASE = timedelta(minutes=1)
NOW = timedelta(0)


def planned(ledger: Ledger, rows: int = 10) -> Plan:
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    claim(ledger, plan, range(rows), ref_column="enrolment_ref")
    ledger.plans.batch_is_on_disk("b1", file_path="f", sha256="s", file_bytes=1)
    ledger.plans.make_ready(plan, source_rows=rows, phone_metadata="9")
    return plan


def sending(ledger: Ledger, rows: int = 10) -> Plan:
    plan = planned(ledger, rows)
    assert ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)
    return plan


def test_only_one_sender_gets_a_batch(ledger: Ledger) -> None:
    planned(ledger)
    assert ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)
    assert not ledger.batches.start_sending("b1", owner="you", run_id="r2", lease=LEASE)


def test_an_enrolled_batch_keeps_its_lead_ids(ledger: Ledger) -> None:
    plan = sending(ledger)
    refs = [claim.enrolment_ref for claim in ledger.batches.claims_of("b1")]
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={ref: f"l{ref}" for ref in refs})
    assert ledger.accounts.of_plan(plan.plan_id).by_outcome() == {"enrolled": 10}


def test_a_refused_row_goes_out_and_the_rest_moves_to_a_new_batch(ledger: Ledger) -> None:
    plan = sending(ledger)
    bad = ledger.batches.claims_of("b1")[3].enrolment_ref
    child = ledger.batches.settle_rejected(
        "b1", owner="me", rejected={bad: ("rejected/refused", "no")}, detail="no"
    )
    assert child is not None
    assert len(ledger.batches.claims_of(child)) == 9
    assert ledger.accounts.of_plan(plan.plan_id).by_outcome() == {"rejected": 1, "planned": 9}


def test_halves_hold_every_row_once(ledger: Ledger) -> None:
    sending(ledger, 7)
    halves = ledger.batches.split("b1", owner="me", detail="?")
    keys = [c.lead_key for half in halves for c in ledger.batches.claims_of(half)]
    assert sorted(keys) == sorted(f"k{n}" for n in range(7))


def test_a_late_answer_of_a_sender_that_lost_its_lease_is_not_written(ledger: Ledger) -> None:
    sending(ledger)
    with pytest.raises(LeaseLost):
        ledger.batches.settle_enrolled("b1", owner="somebody else", lead_ids={})


def test_a_batch_whose_sender_died_is_in_doubt(ledger: Ledger) -> None:
    plan = planned(ledger)
    ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=-LEASE)
    assert ledger.doubts.put_dead_senders_in_doubt() == ["b1"]
    assert ledger.accounts.of_plan(plan.plan_id).by_outcome() == {"in_doubt": 10}


def test_a_living_sender_is_left_alone(ledger: Ledger) -> None:
    sending(ledger)
    assert ledger.doubts.put_dead_senders_in_doubt() == []


def test_rows_proved_absent_may_be_claimed_again(ledger: Ledger) -> None:
    sending(ledger)
    ledger.batches.put_in_doubt("b1", owner="me", reason="in_doubt/no_answer", detail="504")
    ledger.doubts.settle_absent("b1")
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    assert len(claim(ledger, plan, range(10), "b2")) == 10


@given(steps=st.lists(st.integers(0, 6), max_size=12), rows=st.integers(1, 6))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_happens_every_row_has_one_outcome(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], rows: int
) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
    with Ledger(url) as ledger:
        plan = planned(ledger, rows)
        for step in steps:
            take_step(ledger, plan, step)
            account = ledger.accounts.of_plan(plan.plan_id)
            assert account.is_conserved


def take_step(ledger: Ledger, plan: Plan, step: int) -> None:
    """One transition on the first batch that it fits."""
    batches = ledger.batches.of_plan(plan.plan_id)
    waiting = [b.batch_id for b in batches if b.state == "planned"]
    under_way = [b.batch_id for b in batches if b.state == "sending"]
    doubtful = [b.batch_id for b in batches if b.state == "in_doubt"]
    if step == 0 and waiting:
        ledger.batches.start_sending(waiting[0], owner="me", run_id="r", lease=LEASE)
    elif step == 5 and doubtful:
        found = {c.enrolment_ref: "l" for c in ledger.batches.claims_of(doubtful[0])[:2]}
        ledger.doubts.settle_found(doubtful[0], found)
    elif step == 6 and doubtful:
        ledger.doubts.settle_absent(doubtful[0])
    elif under_way:
        batch_id = under_way[0]
        refs = [claim.enrolment_ref for claim in ledger.batches.claims_of(batch_id)]
        if step == 1:
            ledger.batches.settle_enrolled(batch_id, owner="me", lead_ids=dict.fromkeys(refs, "l"))
        elif step == 2:
            ledger.batches.settle_rejected(
                batch_id, owner="me", rejected={refs[0]: ("rejected/refused", "x")}, detail="x"
            )
        elif step == 3:
            ledger.batches.put_in_doubt(
                batch_id, owner="me", reason="in_doubt/no_answer", detail="x"
            )
        elif step == 4:
            ledger.batches.return_to_planned(batch_id, owner="me", detail="x")


def test_refs_of_another_plan_touch_no_claim(ledger: Ledger) -> None:
    """Two plans have claims with the same places; only the whole ref says which is meant."""
    other = ledger.plans.begin(sync="other", partition_key="", run_id="r")
    foreign = {enrolment_ref(other.plan_id, place): "l" for place in range(3)}
    plan = sending(ledger, 3)
    refused = dict.fromkeys(foreign, ("rejected/refused", "No."))
    child = ledger.batches.settle_rejected("b1", owner="me", rejected=refused, detail="No.")
    assert child is not None
    assert outcomes(ledger, plan) == {"planned": 3}
    on_disk(ledger, child)
    ledger.batches.start_sending(child, owner="me", run_id="r", lease=LEASE)
    ledger.batches.put_in_doubt(
        child, owner="me", reason="in_doubt/no_answer", detail="504", enrolled=foreign
    )
    assert ledger.doubts.settle_found(child, foreign) == 3
    assert outcomes(ledger, plan) == {"in_doubt": 3}
