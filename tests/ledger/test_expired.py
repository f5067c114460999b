"""A number that is past `dedupe` goes back to its enrolled claim, if nobody was called instead."""

from datetime import timedelta

import pytest

from dialnexa_pipeline.ledger import Ledger
from tests.ledger.candidates import claim
from tests.ledger.steps import HOUR, LEASE, on_disk, refs_of, sending

PHONES = range(919800000000, 919800000010)


def expire(ledger: Ledger, older_than: timedelta = -HOUR) -> None:
    ledger.holders.expire({"wf": PHONES}, older_than=older_than)


def held(ledger: Ledger) -> dict[str, int]:
    """State → how many of the numbers are held by a claim in it."""
    states = ledger.holders.find(["wf"], PHONES).table["state"].to_pylist()
    return {state: states.count(state) for state in set(states)}


@pytest.fixture
def expired(ledger: Ledger) -> Ledger:
    """Ten enrolled leads whose numbers another plan has claimed since."""
    sending(ledger)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    expire(ledger, HOUR)
    assert held(ledger) == {"enrolled": 10}
    expire(ledger)
    assert held(ledger) == {}
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    assert len(claim(ledger, plan, range(10), "b2")) == 10
    on_disk(ledger, "b2")
    ledger.plans.make_ready(plan, source_rows=10, phone_metadata="9")
    return ledger


def test_a_plan_that_is_released_gives_the_numbers_back(expired: Ledger) -> None:
    expired.plans.begin(sync="a", partition_key="", run_id="r3")
    assert held(expired) == {"enrolled": 10}


def test_a_number_that_is_refused_goes_back_and_the_others_do_not(expired: Ledger) -> None:
    assert expired.batches.start_sending("b2", owner="me", run_id="r2", lease=LEASE)
    first, *others = refs_of(expired, "b2")
    child = expired.batches.settle_rejected(
        "b2", owner="me", rejected={first: ("rejected/x", None)}, detail="400"
    )
    assert child is not None
    assert held(expired) == {"enrolled": 1, "planned": 9}
    on_disk(expired, child)
    assert expired.batches.start_sending(child, owner="me", run_id="r2", lease=LEASE)
    expired.batches.settle_enrolled(child, owner="me", lead_ids=dict.fromkeys(others))
    assert held(expired) == {"enrolled": 10}


def test_who_is_enrolled_again_is_forgotten_again(expired: Ledger) -> None:
    assert expired.batches.start_sending("b2", owner="me", run_id="r2", lease=LEASE)
    expired.batches.settle_enrolled("b2", owner="me", lead_ids={})
    expire(expired)
    assert held(expired) == {}


def test_who_is_withdrawn_stays_withdrawn(expired: Ledger) -> None:
    assert expired.batches.start_sending("b2", owner="me", run_id="r2", lease=LEASE)
    expired.batches.settle_enrolled("b2", owner="me", lead_ids={})
    expired.withdrawals.withdraw_enrolled(refs_of(expired, "b2")[0], detail="asked")
    assert held(expired) == {"enrolled": 9, "withdrawn": 1}
    expire(expired)
    assert held(expired) == {"withdrawn": 1}
