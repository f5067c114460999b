"""Doubt: what a listing proves depends on when it began, by the database's clock."""

import time
from datetime import timedelta

import pytest

from dialnexa_pipeline.ledger import Ledger
from tests.ledger.steps import (
    HOUR,
    LEASE,
    NOW,
    changed_rejections,
    doubtful,
    outcomes,
    planned,
    refs_of,
)


def listed(ledger: Ledger, *, settle: timedelta = NOW, confirm: timedelta = NOW) -> bool:
    """A whole listing of the workflow that lacks what is in doubt."""
    time.sleep(0.002)  # SQLite's clock counts milliseconds, and one listing follows another.
    return ledger.doubts.note_absence(
        "b1", listing_began=ledger.doubts.clock(), settle=settle, confirm=confirm
    )


def test_absence_needs_the_settle_time_and_two_listings_that_agree(ledger: Ledger) -> None:
    doubtful(ledger)
    assert not listed(ledger, settle=HOUR)
    assert not listed(ledger, settle=HOUR)
    assert not listed(ledger), "the first listing"
    ledger.doubts.settle_found("b1", {refs_of(ledger)[0]: "l1"})
    assert not listed(ledger), "it does not agree"
    assert not listed(ledger, confirm=HOUR), "too soon after"
    assert listed(ledger)
    assert ledger.doubts.settle_absent("b1") == 9


def test_a_listing_that_began_before_the_doubt_does_not_count(ledger: Ledger) -> None:
    began = ledger.doubts.clock()
    doubtful(ledger)
    for _ in range(3):
        assert not ledger.doubts.note_absence("b1", listing_began=began, settle=NOW, confirm=NOW)
    assert ledger.batches.get("b1").absent_seen_at is None


def test_a_listing_that_began_before_the_settle_time_ended_does_not_count(ledger: Ledger) -> None:
    """However long it took, it may have passed the place of a row that came later."""
    doubtful(ledger)
    since = ledger.batches.get("b1").in_doubt_since
    assert since is not None
    early, due = since + HOUR - timedelta(seconds=1), since + HOUR
    for began in (early, early):
        assert not ledger.doubts.note_absence("b1", listing_began=began, settle=HOUR, confirm=NOW)
    assert ledger.batches.get("b1").absent_seen_at is None
    assert not ledger.doubts.note_absence("b1", listing_began=due, settle=HOUR, confirm=NOW)
    assert ledger.batches.get("b1").absent_seen_at is not None


def test_two_reconcilers_at_once_are_one_listing(ledger: Ledger) -> None:
    doubtful(ledger)
    first, second = ledger.doubts.clock(), ledger.doubts.clock()
    for began in (first, second, second):
        assert not ledger.doubts.note_absence("b1", listing_began=began, settle=NOW, confirm=NOW)
    assert listed(ledger), "a listing that began after the first was held against the batch"


def test_rows_found_after_the_proof_of_absence_take_it_back(ledger: Ledger) -> None:
    doubtful(ledger)
    listed(ledger)
    assert listed(ledger)
    ledger.doubts.settle_found("b1", {refs_of(ledger)[0]: "l1"})
    assert ledger.doubts.settle_absent("b1") == 0
    assert not listed(ledger)
    assert listed(ledger)
    assert ledger.doubts.settle_absent("b1") == 9


def test_held_rows_wait_for_a_person_and_say_so(ledger: Ledger) -> None:
    plan = doubtful(ledger, 3, hold_absent=True)
    for _ in range(3):
        assert not listed(ledger)
    assert ledger.batches.get("b1").is_held
    assert outcomes(ledger, plan) == {"in_doubt": 3}
    rows = changed_rejections(ledger).values()
    assert {row.reason for row in rows} == {"in_doubt/held"}
    assert all("dialnexa reconcile --release" in (row.detail or "") for row in rows)
    assert ledger.doubts.settle_absent("b1") == 3
    assert outcomes(ledger, plan) == {"planned": 3}


def test_a_held_row_that_is_listed_late_ends_the_hold_of_the_others(ledger: Ledger) -> None:
    doubtful(ledger, 3, hold_absent=True)
    listed(ledger)
    listed(ledger)
    ledger.doubts.settle_found("b1", {refs_of(ledger)[0]: "l1"})
    assert not listed(ledger)
    assert not ledger.batches.get("b1").is_held
    standing = {
        row.lead_key: row.reason
        for row in changed_rejections(ledger).values()
        if row.resolved_at is None
    }
    assert standing == {"k1": "in_doubt/no_answer", "k2": "in_doubt/no_answer"}


def test_a_batch_is_due_at_once_then_after_the_settle_time_then_after_the_second(
    ledger: Ledger,
) -> None:
    def due(settle: timedelta, confirm: timedelta) -> bool:
        return ledger.doubts.due(settle=settle, confirm=confirm) == ["b1"]

    planned(ledger)
    ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)
    assert not due(NOW, NOW), "its sender lives"
    ledger.batches.put_in_doubt("b1", owner="me", reason="in_doubt/no_answer", detail="504")
    assert due(HOUR, HOUR)
    listed(ledger, settle=HOUR)
    assert not due(HOUR, NOW)
    assert due(NOW, HOUR)
    listed(ledger)
    assert not due(NOW, HOUR)
    assert due(HOUR, NOW)
    assert ledger.doubts.due(sync="another", settle=NOW, confirm=NOW) == []
    ledger.doubts.settle_found("b1", dict.fromkeys(refs_of(ledger), "l"))
    assert not due(NOW, NOW)


def test_a_dead_sender_is_due_and_rows_that_wait_for_a_person_are_not(ledger: Ledger) -> None:
    planned(ledger, hold_absent=True)
    ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=-LEASE)
    assert ledger.doubts.due(sync="a", settle=HOUR, confirm=HOUR) == ["b1"]
    ledger.doubts.put_dead_senders_in_doubt()
    listed(ledger)
    assert ledger.doubts.due(settle=NOW, confirm=NOW) == ["b1"]
    listed(ledger)
    assert ledger.doubts.due(settle=NOW, confirm=NOW) == []


@pytest.mark.parametrize("settled", [True, False])
def test_claims_in_doubt_are_those_not_settled_yet(ledger: Ledger, settled: bool) -> None:
    doubtful(ledger, 3)
    if settled:
        ledger.doubts.settle_found("b1", {refs_of(ledger)[0]: "l1"})
    assert len(ledger.doubts.claims_of("b1")) == (2 if settled else 3)
