"""Holds: what a claim's number is, and what its lead's key is known by."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.ledger import Ledger, key_hashes
from tests.ledger.candidates import claim
from tests.ledger.steps import planned

PHONE = 919800000000
HASHES = [3193599049099789058, 880122920902532387, 3752656193320952240, 7032161270737921787]


def test_a_key_is_hashed_as_it_was_when_the_first_ledger_held_it() -> None:
    """Ledgers outlive the version of pandas: other hashes would know no lead again."""
    assert key_hashes(["k1", "", "४२", "lead-0000001"]).tolist() == HASHES


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_a_column_is_hashed_like_each_of_its_keys(keys: list[str]) -> None:
    hashes = key_hashes(pa.chunked_array([keys], pa.string())).tolist()
    assert hashes == [key_hashes([key])[0] for key in keys]
    assert all(number >= 0 for number in hashes)


def test_a_lead_knows_its_own_number_and_no_other_lead_s(ledger: Ledger) -> None:
    planned(ledger)
    (own, other) = key_hashes(["k3", "k4"]).tolist()
    holder = ledger.holders.find(["wf"], [PHONE + 3])["wf", PHONE + 3]
    assert (holder.sync, holder.key_hash) == ("a", own)
    assert holder.key_hash != other


def test_numbers_that_a_batch_gave_up_are_free_whoever_took_them_since_keeps_them(
    ledger: Ledger,
) -> None:
    planned(ledger)
    later = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    assert claim(ledger, later, range(5), "b2") == {*range(5)}
    assert ledger.batches.get("b1").state == "released"
    ledger.batches.claims_of("b1")
    ledger.plans.begin(sync="c", partition_key="", run_id="r3")
    assert len(ledger.holders.find(["wf"], range(PHONE, PHONE + 10))) == 5
