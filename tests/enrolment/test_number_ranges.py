"""Leads that lie by their numbers are all there, and the first of two with one number stays so."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.enrolment import number_ranges
from dialnexa_pipeline.enrolment.erasing import redact_staged
from dialnexa_pipeline.enrolment.staged_file import leads_to_plan, writing_staged_file
from dialnexa_pipeline.store import Store

FIRST_ROWS = 20


@pytest.fixture(autouse=True)
def few_leads_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_ranges, "_FIRST_ROWS", FIRST_ROWS)
    monkeypatch.setattr(number_ranges, "_RANGES", 4)
    monkeypatch.setattr(number_ranges, "_SORTED_ROWS", 16)


def table(numbers: Sequence[int | None], first_key: int) -> pa.Table:
    keys = [str(first_key + index) for index in range(len(numbers))]
    texts = [None if number is None else f"+{number}" for number in numbers]
    return pa.table(
        {
            "lead_key": keys,
            "raw_phone": pa.array(texts, pa.string()),
            "phone_key": pa.array(numbers, pa.int64()),
            "outcome": pa.nulls(len(numbers), pa.string()),
            "reason": pa.nulls(len(numbers), pa.string()),
        }
    )


def stage(path: Path, pieces: Sequence[Sequence[int | None]], *, in_order: bool = False) -> None:
    first_key = 0
    with writing_staged_file(path, lambda schema: schema, in_order=in_order) as add:
        for piece in pieces:
            add(table(piece, first_key))
            first_key += len(piece)


def planned(path: Path, at_once: int) -> list[list[tuple[int, int | None]]]:
    """Key and number of each lead, chunk by chunk."""
    with pq.ParquetFile(path) as parquet:
        return [
            list(
                zip(
                    map(int, leads["lead_key"].to_pylist()),
                    leads["phone_key"].to_pylist(),
                    strict=True,
                )
            )
            for leads in leads_to_plan(parquet, at_once)
        ]


PIECES = st.lists(
    st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=1, max_size=12),
    min_size=1,
    max_size=20,
)


@given(pieces=PIECES, at_once=st.integers(1, 30))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_lead_is_planned_once_and_equal_numbers_in_the_source_s_order(
    pieces: Sequence[Sequence[int | None]], at_once: int, tmp_path: Path
) -> None:
    path = tmp_path / "staged.parquet"
    stage(path, pieces)
    chunks = planned(path, at_once)
    assert all(len(chunk) == at_once for chunk in chunks[1:-1])
    assert len(chunks[0]) == min(max(1, at_once // 4), sum(map(len, pieces)))
    assert 0 < len(chunks[-1]) <= at_once
    leads = [lead for chunk in chunks for lead in chunk]
    given_numbers = [number for piece in pieces for number in piece]
    assert sorted(leads) == list(enumerate(given_numbers))
    assert [key for key, _ in leads[:FIRST_ROWS]] == list(range(min(FIRST_ROWS, len(leads))))
    for number in set(given_numbers):
        keys = [key for key, of_lead in leads if of_lead == number]
        assert keys == sorted(keys)


def test_after_the_first_leads_numbers_come_range_by_range(tmp_path: Path) -> None:
    path = tmp_path / "staged.parquet"
    numbers = [(37 * index) % 100 for index in range(120)]
    stage(path, [numbers[first : first + 8] for first in range(0, 120, 8)])
    leads = [lead for chunk in planned(path, 10) for lead in chunk]
    begins = sorted(numbers[:FIRST_ROWS])[:: FIRST_ROWS // 4][1:]
    ranges = [bisect_right(begins, number or 0) for _, number in leads[FIRST_ROWS:]]
    assert ranges == sorted(ranges)
    assert len(set(ranges)) == 4
    assert [key for key, _ in leads] != sorted(key for key, _ in leads)


def test_leads_that_are_to_keep_their_order_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "staged.parquet"
    stage(path, [[9, 1, None, 5]] * 30, in_order=True)
    leads = [lead for chunk in planned(path, 7) for lead in chunk]
    assert leads == list(enumerate([9, 1, None, 5] * 30))


def test_a_file_that_says_nothing_of_ranges_is_planned_as_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "staged.parquet"
    pq.write_table(table([9, 1, 5, 3], 0), path, row_group_size=1)
    assert planned(path, 2) == [[(0, 9)], [(1, 1), (2, 5)], [(3, 3)]]


def test_a_file_that_an_erasure_rewrote_is_planned_in_the_same_order(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    path = tmp_path / "store" / "staged.parquet"
    path.parent.mkdir()
    stage(path, [[(37 * index) % 100 for index in range(120)]] * 3)
    before = planned(path, 10)
    assert redact_staged(store, path.name, lambda leads: pc.equal(leads["phone_key"], 37))
    after = planned(path, 10)
    assert [[key for key, _ in chunk] for chunk in after] == [
        [key for key, _ in chunk] for chunk in before
    ]
    assert sum(number is None for chunk in after for _, number in chunk) == 6


def test_leads_that_are_given_on_are_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty slice keeps the buffers of the whole."""
    monkeypatch.setattr(number_ranges, "_FIRST_ROWS", 1_000)
    ranges = number_ranges.NumberRanges()
    before = pa.total_allocated_bytes()
    for _ in range(10):
        leads = pa.table({"phone_key": pa.array([1] * 100), "text": pa.array(["x" * 10_000] * 100)})
        assert [group.leads.num_rows for group in ranges.add(leads)] == [100]
    del leads
    assert pa.total_allocated_bytes() - before < 1_500_000, "of ten megabytes"
