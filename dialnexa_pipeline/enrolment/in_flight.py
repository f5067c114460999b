"""Numbers that chunks before this one ask for, whose claims the ledger may not show yet.

Without them a planner that runs ahead would ask for a number twice, and the database, which decides
in the end, would be asked who of thousands lost.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dialnexa_pipeline.ledger import codes_of, numbers_of_pairs

_Numbers = npt.NDArray[np.int64]


class InFlight:
    """Workflow and phone of the rows that the newest chunks asked for.

    Args:
        chunks: how many chunks may be unclaimed while the next is planned.
    """

    def __init__(self, *, chunks: int) -> None:
        self._asked: deque[tuple[_Numbers, _Numbers]] = deque(maxlen=chunks)
        self._number_of: dict[str, int] = {}

    def are_first(
        self, workflows: Sequence[str], codes: _Numbers, phones: _Numbers
    ) -> npt.NDArray[np.bool_]:
        """Which rows of a chunk are the first with their workflow and phone.

        Args:
            workflows: those of the chunk; a row's `codes` is its place in them.
        """
        numbered = self._numbered(workflows, codes)
        before = sum(len(earlier) for _, earlier in self._asked)
        all_codes = np.concatenate([*(each for each, _ in self._asked), numbered])
        all_phones = np.concatenate([*(each for _, each in self._asked), phones])
        # Codes are given as values come: a row with a higher one is the first of its kind.
        pairs = codes_of(numbers_of_pairs(all_codes, all_phones))
        is_first = np.diff(np.maximum.accumulate(pairs), prepend=-1) > 0
        return is_first[before:]

    def add(self, workflows: Sequence[str], codes: _Numbers, phones: _Numbers) -> None:
        """Add the rows of a chunk that ask for a claim."""
        self._asked.append((self._numbered(workflows, codes), phones))

    def _numbered(self, workflows: Sequence[str], codes: _Numbers) -> _Numbers:
        numbers = [self._number_of.setdefault(each, len(self._number_of)) for each in workflows]
        return np.array(numbers, np.int64)[codes]
