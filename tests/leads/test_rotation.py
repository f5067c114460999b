"""Batch files are as full as their limits allow, however the rows arrive."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dialnexa_pipeline.leads import Rotation

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


@given(SIZES, st.integers(0, 6), st.integers(1, 8), st.integers(0, 100))
def test_the_last_two_files_are_as_even_as_their_limits_allow(
    sizes: list[int], held: int, max_rows: int, max_bytes: int
) -> None:
    """The first `held` rows stay where they are: they are claimed for their file already."""
    rotation = Rotation(max_rows, max_bytes, header_bytes=10)
    cut = files(rotation, sizes)
    assume(len(cut) > 1)
    sizes, held = cut[-2] + cut[-1], min(held, len(cut[-2]))
    size = 10 + sum(sizes[:held]) if held else 0
    end = held + rotation.even_end(np.array(sizes[held:], np.int64), rows=held, size=size)

    def is_a_file(part: list[int]) -> bool:
        fits = len(part) <= max_rows and 10 + sum(part) <= max_bytes
        return fits or len(part) == 1

    assert is_a_file(sizes[:end])
    assert is_a_file(sizes[end:])
    possible = [
        abs(2 * place - len(sizes))
        for place in range(held, len(sizes))
        if place > 0 and is_a_file(sizes[:place]) and is_a_file(sizes[place:])
    ]
    assert abs(2 * end - len(sizes)) == min(possible)


def test_one_row_too_many_is_no_file_of_one_row() -> None:
    rotation = Rotation(5_000, 9_000_000, header_bytes=10)
    sizes = np.full(5_001, 100, np.int64)
    assert rotation.ends(sizes)[:2] == ([5_000], 1)
    assert rotation.even_end(sizes) in {2_500, 2_501}
    with pytest.raises(ValueError, match="do not fit into two files"):
        rotation.even_end(np.full(10_001, 100, np.int64))
