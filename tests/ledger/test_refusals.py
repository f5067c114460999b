"""Batches cut out of a refused one, and batches settled without being sent."""

import pytest

from dialnexa_pipeline.ledger import LeaseLost, Ledger
from tests.ledger.steps import LEASE, changed_rejections, outcomes, planned, refs_of, sending


def test_rows_set_apart_are_in_one_batch_and_the_rest_in_another(ledger: Ledger) -> None:
    plan = sending(ledger)
    refs = refs_of(ledger)
    children = ledger.batches.set_apart("b1", owner="me", refs=[refs[2], refs[7]], detail="no")
    assert [refs_of(ledger, child) for child in children] == [
        [refs[2], refs[7]],
        [ref for ref in refs if ref not in {refs[2], refs[7]}],
    ]
    assert sorted(ledger.batches.children_of("b1")) == sorted(children)
    assert refs_of(ledger) == []
    assert outcomes(ledger, plan) == {"planned": 10}


def test_children_are_told_in_file_order(ledger: Ledger) -> None:
    sending(ledger)
    refs = refs_of(ledger)
    ledger.batches.split("b1", owner="me", detail="?")
    first, second = ledger.batches.children_of("b1")
    assert refs_of(ledger, first) + refs_of(ledger, second) == refs


def test_only_the_holder_of_the_lease_sets_rows_apart(ledger: Ledger) -> None:
    sending(ledger)
    with pytest.raises(LeaseLost):
        ledger.batches.set_apart("b1", owner="you", refs=refs_of(ledger)[:1], detail="no")
    assert ledger.batches.children_of("b1") == []


def test_a_planned_batch_is_rejected_without_being_sent(ledger: Ledger) -> None:
    plan = planned(ledger, 3)
    why = {ref: (f"rejected/{n}", f"row {n}") for n, ref in enumerate(refs_of(ledger))}
    assert ledger.batches.reject_unsent("b1", rejected=why, detail="no")
    assert outcomes(ledger, plan) == {"rejected": 3}
    rows = changed_rejections(ledger)
    assert {(row.reason, row.detail) for row in rows.values()} == set(why.values())
    batch = ledger.batches.get("b1")
    assert (batch.state, batch.attempts, batch.sent_at) == ("rejected", 0, None)
    assert not ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)


def test_a_batch_that_is_being_sent_or_was_released_is_not_rejected_unsent(ledger: Ledger) -> None:
    plan = sending(ledger)
    why = dict.fromkeys(refs_of(ledger), ("rejected/unresolved", None))
    assert not ledger.batches.reject_unsent("b1", rejected=why, detail="no")
    ledger.batches.return_to_planned("b1", owner="me", detail="429")
    ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    assert not ledger.batches.reject_unsent("b1", rejected=why, detail="no")
    assert outcomes(ledger, plan).get("rejected") is None


def test_rows_rejected_unsent_may_be_claimed_again(ledger: Ledger) -> None:
    planned(ledger, 3)
    why = dict.fromkeys(refs_of(ledger), ("rejected/unresolved", None))
    ledger.batches.reject_unsent("b1", rejected=why, detail="no")
    assert outcomes(ledger, planned(ledger, 3, run_id="r2", batch_id="b2")) == {"planned": 3}
