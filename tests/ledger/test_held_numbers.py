"""Holders in columns are those that a look at single numbers finds."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.ledger import NOBODY, HeldNumbers, Holder, Ledger
from dialnexa_pipeline.ledger.held_numbers import HELD
from tests.ledger.steps import planned

WORKFLOWS = ["a", "b", "c"]
# The largest do not fit beside a workflow in one number.
PHONES = st.integers(1, 4) | st.integers(2**63 - 4, 2**63 - 1)
PAIRS = st.tuples(st.sampled_from(WORKFLOWS), PHONES)
HOLDERS = st.builds(
    Holder,
    st.sampled_from(["loans", "other"]),
    st.integers(0, 2),
    st.sampled_from(["planned", "in_doubt", "enrolled", "withdrawn"]),
    st.sampled_from(["planned", "sending", "enrolled"]),
)


def held_numbers(holders: Mapping[tuple[str, int], Holder]) -> HeldNumbers:
    rows = [
        {"workflow_id": workflow, "phone": phone, **holder._asdict()}
        for (workflow, phone), holder in holders.items()
    ]
    return HeldNumbers(pa.Table.from_pylist(rows, schema=HELD))


@given(holders=st.dictionaries(PAIRS, HOLDERS), asked=st.lists(PAIRS))
def test_each_pair_has_the_place_of_its_holder(
    holders: dict[tuple[str, int], Holder], asked: list[tuple[str, int]]
) -> None:
    held = held_numbers(holders)
    assert dict(held) == holders
    workflows = list(dict.fromkeys(workflow for workflow, _ in asked))
    places = held.places_of(
        workflows,
        np.array([workflows.index(workflow) for workflow, _ in asked], np.int64),
        np.array([phone for _, phone in asked], np.int64),
    )
    pairs = list(holders)
    assert [pairs[place] if place != NOBODY else None for place in places.tolist()] == [
        pair if pair in holders else None for pair in asked
    ]


def test_a_number_that_nobody_holds_is_not_there(ledger: Ledger) -> None:
    planned(ledger)
    held = ledger.holders.find(["wf"], [919800000001, 919800000099])
    assert list(held) == [("wf", 919800000001)]
    assert held["wf", 919800000001].state == "planned"
    with pytest.raises(KeyError):
        held["wf", 919800000099]
    assert not ledger.holders.find(["another"], [919800000001])
