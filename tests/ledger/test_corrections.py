"""Corrections stay with a lead until its row changes, and go with a person who is erased."""

import pytest

from dialnexa_pipeline.ledger import Correction, Ledger


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


def test_an_erased_number_is_blanked_and_the_wrong_one_stays_out(corrected: Ledger) -> None:
    erase(corrected, 919876500001, "+91 98765 00001")
    first = corrected.corrections.of_sync("loans")[0][0]
    assert first == Correction("1", None, {"mobile": "12"}, {"mobile": ""})


def test_a_correction_of_an_erased_number_goes_whole(corrected: Ledger) -> None:
    erase(corrected, 919876500009, "98765 00009")
    assert [each.lead_key for each in corrected.corrections.of_sync("loans")[0]] == ["1"]
