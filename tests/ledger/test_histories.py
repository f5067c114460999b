"""Which runs enrolled some leads: only for the very lead whose live claim is enrolled."""

from dialnexa_pipeline.ledger import Ledger
from tests.ledger.steps import LEASE, planned, sending

PHONE = 919800000000
LEADS = {(f"k{number}", "wf", PHONE + number) for number in range(10)}


def test_a_run_is_counted_for_each_of_the_asked_leads_that_it_enrolled(ledger: Ledger) -> None:
    sending(ledger)
    assert ledger.histories.enrolling_runs("a", LEADS) == {}, "nothing is enrolled yet"
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    assert ledger.histories.enrolling_runs("a", LEADS) == {"r1": 10}
    some = {("k3", "wf", PHONE + 3), ("k4", "wf", PHONE + 4)}
    assert ledger.histories.enrolling_runs("a", some) == {"r1": 2}
    assert ledger.histories.enrolling_runs("a", set()) == {}


def test_another_lead_workflow_or_sync_is_not_counted(ledger: Ledger) -> None:
    sending(ledger)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    others = {("k4", "wf", PHONE + 3), ("k3", "other", PHONE + 3)}
    assert ledger.histories.enrolling_runs("a", others) == {}
    assert ledger.histories.enrolling_runs("b", LEADS) == {}


def test_the_run_that_sent_is_told_and_not_the_one_that_planned(ledger: Ledger) -> None:
    planned(ledger, run_id="planner")
    sent = ledger.batches.start_sending("b1", owner="me", run_id="sender", lease=LEASE)
    assert sent
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    assert ledger.histories.enrolling_runs("a", LEADS) == {"sender": 10}
