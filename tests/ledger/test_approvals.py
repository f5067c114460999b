"""Plans that a guard held: nothing of them is sent unapproved, and an approval is good for one."""

import pytest

from dialnexa_pipeline.ledger import Hold, Ledger, NothingHeld, Plan, PlanHeld
from tests.ledger.candidates import claim
from tests.ledger.steps import LEASE, on_disk

HOLD = Hold(("guard.max_leads",), "10 leads are planned, more than guard.max_leads = 5.")


def plan_of(ledger: Ledger, numbers: range, batch_id: str, hold: Hold | None = HOLD) -> Plan:
    plan = ledger.plans.begin(sync="a", partition_key="p", run_id=batch_id)
    claim(ledger, plan, numbers, batch_id, ref_column="ref")
    on_disk(ledger, batch_id)
    ledger.plans.make_ready(plan, source_rows=len(numbers), phone_metadata="9", hold=hold)
    return plan


def approve(ledger: Ledger) -> int:
    return ledger.approvals.approve(sync="a", partition_key="p", who="meena", why="launch").leads


def send(ledger: Ledger, batch_id: str) -> None:
    assert ledger.batches.start_sending(batch_id, owner="me", run_id="r", lease=LEASE)
    ledger.batches.settle_enrolled(batch_id, owner="me", lead_ids={})


def is_held(ledger: Ledger) -> bool:
    try:
        return ledger.plans.sendable(sync="a", partition_key="p") is None
    except PlanHeld:
        return True


def test_a_held_plan_is_neither_handed_out_nor_sent(ledger: Ledger) -> None:
    plan = plan_of(ledger, range(10), "b1")
    with pytest.raises(PlanHeld, match=r"more than guard.max_leads = 5"):
        ledger.plans.sendable(sync="a", partition_key="p")
    with pytest.raises(PlanHeld):
        ledger.batches.start_sending("b1", owner="me", run_id="r", lease=LEASE)
    assert ledger.plans.current(sync="a", partition_key="p") == plan


def test_an_approval_lets_the_held_plan_through(ledger: Ledger) -> None:
    plan_of(ledger, range(10), "b1")
    assert approve(ledger) == 10
    assert not is_held(ledger)
    send(ledger, "b1")


def test_an_approval_passes_to_one_newer_plan_and_is_spent_when_it_is_sent(ledger: Ledger) -> None:
    plan_of(ledger, range(10), "b1")
    approve(ledger)
    plan_of(ledger, range(9), "b2")
    assert not is_held(ledger), "the job was run again"
    plan_of(ledger, range(9), "b3")
    assert not is_held(ledger), "and again, because that run was killed before it sent"
    send(ledger, "b3")
    plan_of(ledger, range(20, 25), "b4")
    assert is_held(ledger)


def test_an_approval_is_spent_once_the_approved_plan_itself_is_sent(ledger: Ledger) -> None:
    plan_of(ledger, range(10), "b1")
    approve(ledger)
    send(ledger, "b1")
    plan_of(ledger, range(20, 30), "b2")
    assert is_held(ledger)


def test_an_approval_is_spent_by_a_plan_that_did_not_need_it(ledger: Ledger) -> None:
    plan_of(ledger, range(10), "b1")
    approve(ledger)
    plan_of(ledger, range(3), "b2", hold=None)
    send(ledger, "b2")
    plan_of(ledger, range(20, 30), "b3")
    assert is_held(ledger)


@pytest.mark.parametrize(
    ("numbers", "hold"),
    [
        (range(11), HOLD),
        (range(10), Hold(("guard.max_leads", "guard.max_reject_rate"), "Half is invalid.")),
    ],
)
def test_a_plan_that_is_larger_or_breaks_another_guard_is_held_again(
    ledger: Ledger, numbers: range, hold: Hold
) -> None:
    plan_of(ledger, range(10), "b1")
    approve(ledger)
    plan_of(ledger, numbers, "b2", hold)
    assert is_held(ledger)


def test_only_a_held_plan_can_be_approved_and_only_once(ledger: Ledger) -> None:
    with pytest.raises(NothingHeld, match="nothing to approve"):
        approve(ledger)
    plan_of(ledger, range(10), "b1")
    with pytest.raises(NothingHeld, match="dialnexa approve a --partition p"):
        ledger.approvals.approve(sync="a", partition_key="q", who="meena", why="x")
    approve(ledger)
    with pytest.raises(NothingHeld, match="approved already, by meena: launch"):
        approve(ledger)


def test_leads_that_were_refused_or_never_arrived_are_no_recent_volume(ledger: Ledger) -> None:
    plan_of(ledger, range(10), "b1", hold=None)
    ledger.batches.start_sending("b1", owner="me", run_id="r", lease=LEASE)
    assert ledger.accounts.recent_planned(sync="a") == [10]
    ledger.batches.return_to_planned("b1", owner="me", detail="429")
    assert ledger.accounts.recent_planned(sync="a") == []
    ledger.batches.start_sending("b1", owner="me", run_id="r", lease=LEASE)
    ledger.batches.fail("b1", owner="me", reason="planned/call_refused", detail="401")
    assert ledger.accounts.recent_planned(sync="a") == []
