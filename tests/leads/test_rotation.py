"""Batch files are as full as their limits allow, however the rows arrive."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.leads import Rotation, even_rows

SIZES = st.lists(st.integers(1, 60), max_size=40)


def files(rotation: Rotation, *pieces: list[int]) -> list[list[int]]:
    """The sizes of the rows in each file when the rows come in pieces."""
    found: list[list[int]] = []
    current: list[int] = []
    rows = size = 0
    for piece in pieces:
        ends, rows, size = rotation.ends(np.array(piece, np.int64), rows=rows, size=size)
        first = 0
        for end in ends:
            found.append(current + piece[first:end])
            current = []
            first = end
        current += piece[first:]
        assert rows == len(current)
        assert size == (rotation.header_bytes + sum(current) if current else 0)
    return [*found, current] if current else found


@given(SIZES, SIZES, st.integers(1, 8), st.integers(0, 100))
def test_every_file_keeps_its_limits_and_could_not_take_another_row(
    first: list[int], second: list[int], max_rows: int, max_bytes: int
) -> None:
    rotation = Rotation(max_rows, max_bytes, header_bytes=10)
    cut = files(rotation, first, second)

    assert [size for file in cut for size in file] == first + second
    for file, following in pairwise(cut):
        is_full = len(file) == max_rows
        has_no_room = 10 + sum(file) + following[0] > max_bytes
        assert is_full or has_no_room
    for file in cut:
        assert 0 < len(file) <= max_rows
        assert len(file) == 1 or 10 + sum(file) <= max_bytes


@given(SIZES, SIZES, st.integers(1, 8), st.integers(0, 100))
def test_pieces_are_cut_like_the_whole(
    first: list[int], second: list[int], max_rows: int, max_bytes: int
) -> None:
    rotation = Rotation(max_rows, max_bytes, header_bytes=10)
    assert files(rotation, first, second) == files(rotation, first + second)


@given(SIZES, st.integers(1, 8), st.integers(0, 100))
def test_no_other_cut_makes_fewer_files(sizes: list[int], max_rows: int, max_bytes: int) -> None:
    def is_a_file(first: int, end: int) -> bool:
        fits = end - first <= max_rows and 10 + sum(sizes[first:end]) <= max_bytes
        return fits or end - first == 1

    fewest = [0]
    for end in range(1, len(sizes) + 1):
        fewest.append(min(1 + fewest[first] for first in range(end) if is_a_file(first, end)))
    assert len(files(Rotation(max_rows, max_bytes, header_bytes=10), sizes)) == fewest[-1]


@given(st.integers(1, 100_000), st.integers(1, 5_000))
def test_files_are_even_where_the_last_would_be_tiny_and_never_more(
    rows: int, max_rows: int
) -> None:
    each = even_rows(rows, max_rows)
    files, last = -(-rows // each), rows % each or each

    assert 0 < each <= max_rows
    assert files == -(-rows // max_rows)
    assert files == 1 or last * 10 >= max_rows or each - last < files


def test_one_row_too_many_is_no_file_of_one_row() -> None:
    assert even_rows(5_001, 5_000) == 2_501
    assert even_rows(7_000, 5_000) == 5_000
    assert even_rows(0, 5_000) == 5_000
