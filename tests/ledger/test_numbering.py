"""Numbers and refs of claims: one spells the other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.ledger import enrolment_ref, enrolment_refs
from dialnexa_pipeline.ledger.numbering import claim_number, place_in, place_of

PLACES = st.integers(0, 2**32 - 1)


@given(st.lists(PLACES))
def test_a_column_of_refs_is_spelled_like_each_of_them(places: list[int]) -> None:
    refs = enrolment_refs("plan", np.array(places, np.int64)).to_pylist()
    assert refs == [enrolment_ref("plan", place) for place in places]
    assert [place_in(ref) for ref in refs] == places


@given(st.integers(1, 2**31 - 1), PLACES)
def test_a_claims_number_names_its_place_and_fits_the_database(batch_no: int, place: int) -> None:
    number = claim_number(batch_no, place)
    assert place_of(number) == place
    assert number < 2**63
