"""A column of leads gets the outcomes that each lead would get alone."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.enrolment.unclaimed import Unclaimed, held_outcome
from dialnexa_pipeline.ledger import Holder, key_hashes
from tests.ledger.test_held_numbers import HOLDERS, PAIRS, held_numbers

KEYS = ["k0", "k1", "k2"]


@given(
    holders=st.dictionaries(PAIRS, HOLDERS),
    leads=st.lists(st.tuples(PAIRS, st.sampled_from(KEYS))),
)
def test_held_leads_are_judged_as_single_ones_are(
    holders: dict[tuple[str, int], Holder], leads: list[tuple[tuple[str, int], str]]
) -> None:
    hashes = key_hashes(KEYS).tolist()
    holders = {
        pair: each._replace(key_hash=hashes[each.key_hash]) for pair, each in holders.items()
    }
    expected: Counter[tuple[str, str, str]] = Counter()
    listed: list[tuple[str, str]] = []
    for pair, key in leads:
        holder = holders.get(pair)
        own = (
            holder is not None
            and holder.key_hash == hashes[KEYS.index(key)]
            and holder.sync == "loans"
        )
        outcome, reason = held_outcome(holder, own)
        expected[pair[0], outcome, reason] += 1
        if reason != "duplicate/already_enrolled":
            listed.append((key, reason))

    workflows = [workflow for (workflow, _), _ in leads]
    names = list(dict.fromkeys(workflows))
    phones = [phone for (_, phone), _ in leads]
    held = held_numbers(holders)
    places = held.places_of(
        names, np.array(list(map(names.index, workflows)), np.int64), np.array(phones, np.int64)
    )
    unclaimed = Unclaimed("loans")
    unclaimed.add_held(
        pa.table(
            {
                "workflow_id": pa.array(workflows, pa.string()),
                "lead_key": pa.array([key for _, key in leads], pa.string()),
                "raw_phone": pa.array([str(phone) for phone in phones], pa.string()),
                "phone": pa.array([f"+{phone}" for phone in phones], pa.string()),
            }
        ),
        held,
        places,
    )
    counts = {
        (each.workflow_id, each.outcome, each.reason): each.leads for each in unclaimed.counts
    }
    assert counts == expected
    rows = unclaimed.rows
    assert (
        list(zip(rows["lead_key"].to_pylist(), rows["reason"].to_pylist(), strict=True)) == listed
    )
