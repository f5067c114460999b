"""Numbers in flight: a row is the first with its number, counting the chunks before its own."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.enrolment.in_flight import InFlight

# Three times the larger ones, and a workflow's code, are the smaller ones' in 64 bits.
PHONES = st.integers(1, 4) | st.integers(1, 4).map(lambda phone: phone + (2**64 - 1) // 3)
ROWS = st.lists(st.tuples(st.sampled_from("abc"), PHONES), max_size=12)


@given(chunks=st.lists(ROWS, max_size=6), window=st.integers(1, 3))
def test_a_row_is_first_unless_its_number_is_in_a_chunk_that_may_be_unclaimed(
    chunks: list[list[tuple[str, int]]], window: int
) -> None:
    in_flight = InFlight(chunks=window)
    asked: list[set[tuple[str, int]]] = []
    for rows in chunks:
        workflows = sorted({workflow for workflow, _ in rows}, reverse=bool(len(rows) % 2))
        codes = np.array([workflows.index(workflow) for workflow, _ in rows], np.int64)
        phones = np.array([phone for _, phone in rows], np.int64)
        are_first = in_flight.are_first(workflows, codes, phones)
        seen = set[tuple[str, int]]().union(*asked[-window:])
        wanted: list[bool] = []
        for row in rows:
            wanted.append(row not in seen)
            seen.add(row)
        assert are_first.tolist() == wanted
        in_flight.add(workflows, codes[are_first], phones[are_first])
        asked.append({row for row, is_first in zip(rows, wanted, strict=True) if is_first})
