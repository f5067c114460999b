"""Leads whose numbers are near each other side by side, so that they are claimed together.

Claims are found by an index of their numbers. A transaction that claims leads in the source's order
changes pages all over it: of an index of millions nearly all of them, again and again. Leads of one
range of numbers lie on few pages, which each change once or twice. Of two leads with one number,
which are in one range, the first stays the first.
"""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Of these the source's order is kept: an index of so few lies on few pages anyway.
_FIRST_ROWS = 131_072
_RANGES = 16
# So many leads wait in memory and are sorted at once.
_SORTED_ROWS = 131_072
_NO_NUMBER = -1


@dataclass(frozen=True, slots=True)
class Group:
    """Leads of one range, in the source's order; range 0 is of the first leads of all."""

    range_no: int
    leads: pa.Table = field(repr=False)


class NumberRanges:
    """Sorts screened leads into ranges, as even as the numbers of the first leads make them.

    Groups of one range come in the order of their leads. Where the first leads are not like the
    rest, ranges are uneven, which costs time and nothing else.
    """

    def __init__(self) -> None:
        self._first_rows = 0
        self._first_numbers: list[npt.NDArray[np.int64]] = []
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0

    def add(self, leads: pa.Table) -> Iterator[Group]:
        """Take some leads (columns as `leads.screen` gives them); gives the groups they fill."""
        missing = _FIRST_ROWS - self._first_rows
        if missing > 0:
            first, leads = leads.slice(0, missing), leads.slice(missing)
            self._first_rows += first.num_rows
            self._first_numbers.append(first["phone_key"].drop_null().to_numpy())
            yield Group(0, first)
        if not leads.num_rows:
            # An empty slice would keep all of its leads in memory.
            return
        self._waiting.append(leads)
        self._waiting_rows += leads.num_rows
        if self._waiting_rows >= _SORTED_ROWS:
            yield from self.end()

    def end(self) -> Iterator[Group]:
        """The leads that wait."""
        if not self._waiting_rows:
            return
        leads = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting, self._waiting_rows = [], 0
        numbers = pc.fill_null(leads["phone_key"], _NO_NUMBER).to_numpy()
        ranges = np.searchsorted(self._begins, numbers, side="right")
        order = np.argsort(ranges, kind="stable")
        leads = leads.take(pa.array(order))
        ends = np.searchsorted(ranges[order], np.arange(_RANGES + 1)).tolist()
        for index, (first, last) in enumerate(pairwise(ends), start=1):
            if last > first:
                yield Group(index, leads.slice(first, last - first))

    @cached_property
    def _begins(self) -> npt.NDArray[np.int64]:
        """The first number of each range but the first."""
        numbers = np.concatenate(self._first_numbers)
        if not len(numbers):
            return numbers
        numbers.sort()
        return numbers[len(numbers) * np.arange(1, _RANGES) // _RANGES]
