"""Corrections stay with a lead until its row changes, and go with a person who is erased."""

from datetime import timedelta

import pytest

from dialnexa_pipeline.ledger import REPLAY, Correction, Ledger, RefusedRow
from tests.ledger.refused import refused_table


@pytest.fixture
def corrected(ledger: Ledger) -> Ledger:
    ledger.corrections.keep(
        "loans",
        [
            Correction("1", 919876500001, {"mobile": "12"}, {"mobile": "+919876500001"}),
            Correction("2", 919876500002, {"mobile": "98765 00009"}, {"mobile": "9876500002"}),
        ],
        who="meena",
    )
    return ledger


def erase(ledger: Ledger, phone: int, spelling: str) -> None:
    ledger.erasures.erase(
        {phone: "hash"}, key_id="key", who="meena", why="asked", spelled=lambda raw: raw == spelling
    )


def test_a_later_correction_of_a_lead_takes_the_place_of_the_earlier(corrected: Ledger) -> None:
    before = corrected.corrections.newest("loans")
    later = Correction("1", 919876500003, {"mobile": "12"}, {"mobile": "+919876500003"})
    corrected.corrections.keep("loans", [later], who="meena")
    made, newest = corrected.corrections.of_sync("loans")
    assert [each.lead_key for each in made] == ["2", "1"]
    assert made[1] == later
    assert newest == corrected.corrections.newest("loans") > before
    assert corrected.corrections.newest("cards") == 0


def test_what_is_taken_back_leaves_the_correction_before_it(corrected: Ledger) -> None:
    before, newest = corrected.corrections.of_sync("loans")
    later = [
        Correction("1", 919876500003, {"mobile": "12"}, {"mobile": "+919876500003"}),
        Correction("3", 919876500004, {"mobile": "13"}, {"mobile": "+919876500004"}),
        Correction("4", 919876500005, {"mobile": "14"}, {"mobile": "+919876500005"}),
    ]
    corrected.corrections.keep("loans", later, who="meena")
    corrected.corrections.take_back("loans", {"1", "3"}, before, who="meena")
    made, now = corrected.corrections.of_sync("loans")
    assert {each.lead_key: each for each in made} == {
        "1": before[0],
        "2": before[1],
        "4": later[2],
    }
    assert now > newest


def test_an_erased_number_is_blanked_and_the_wrong_one_stays_out(corrected: Ledger) -> None:
    erase(corrected, 919876500001, "+91 98765 00001")
    first = corrected.corrections.of_sync("loans")[0][0]
    assert first == Correction("1", None, {"mobile": "12"}, {"mobile": ""})


def test_a_correction_of_an_erased_number_goes_whole(corrected: Ledger) -> None:
    erase(corrected, 919876500009, "98765 00009")
    assert [each.lead_key for each in corrected.corrections.of_sync("loans")[0]] == ["1"]


def test_a_run_that_is_planning_is_seen_while_it_lives(ledger: Ledger) -> None:
    assert not ledger.corrections.is_planning("loans")
    ledger.plans.begin(sync="loans", partition_key=REPLAY, run_id="sheet")
    ledger.plans.begin(sync="loans", partition_key="a", run_id="dead", lease=timedelta(0))
    assert not ledger.corrections.is_planning("loans")
    plan = ledger.plans.begin(sync="loans", partition_key="b", run_id="alive")
    assert ledger.corrections.is_planning("loans")
    assert not ledger.corrections.is_planning("cards")
    ledger.plans.make_ready(plan, source_rows=0, phone_metadata="0")
    assert not ledger.corrections.is_planning("loans")


def test_a_row_that_a_replay_refuses_stays_in_its_partition(ledger: Ledger) -> None:
    row = RefusedRow("wf", "1", "duplicate", "duplicate/same_number", None, "12", None)
    for partition in ("2026-01-01", REPLAY):
        plan = ledger.plans.begin(sync="loans", partition_key=partition, run_id=partition)
        ledger.plans.refuse(plan, refused_table([row]), [])
        ledger.plans.make_ready(plan, source_rows=1, phone_metadata="0")
    (piece,) = ledger.accounts.all_rejections("loans")
    assert [(each.partition_key, each.run_id) for each in piece] == [("2026-01-01", REPLAY)]
    # The lead left the source: the partition's own run no longer sees it.
    plan = ledger.plans.begin(sync="loans", partition_key="2026-01-01", run_id="again")
    ledger.plans.make_ready(plan, source_rows=0, phone_metadata="0")
    (piece,) = ledger.accounts.all_rejections("loans")
    assert piece[0].resolved_at is not None
