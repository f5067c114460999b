"""Where one batch file ends and the next begins: as full as its rows and bytes may be."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Of the rows that a file may hold.
_TINY = 0.1


@dataclass(frozen=True, slots=True)
class Rotation:
    """The limits of one file.

    Attributes:
        header_bytes: what a file holds before its first row.
    """

    max_rows: int
    max_bytes: int
    header_bytes: int

    def ends(
        self, sizes: npt.NDArray[np.int64], *, rows: int = 0, size: int = 0
    ) -> tuple[list[int], int, int]:
        """Cut consecutive rows into files; a row that is larger than a file is one alone.

        Args:
            sizes: bytes of each row.
            rows, size: rows and bytes, header included, of the file that is open already.

        Returns:
            Where each full file ends, as indices into `sizes`; then rows and bytes of the file
            that stays open, none when the rows end with a full file. An end at 0 closes the file
            that was open without another row.
        """
        sums = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        ends: list[int] = []
        first = 0
        while first < len(sizes):
            room = self.max_bytes - (size if rows else self.header_bytes)
            by_bytes = int(np.searchsorted(sums, sums[first] + room, side="right")) - 1
            end = max(first, min(first + self.max_rows - rows, by_bytes, len(sizes)))
            if end == first and not rows:
                end = first + 1
            rows += end - first
            size = (size if rows > end - first else self.header_bytes) + int(
                sums[end] - sums[first]
            )
            if end < len(sizes) or rows >= self.max_rows:
                ends.append(end)
                rows = size = 0
            first = end
        return ends, rows, size


def even_rows(rows: int, max_rows: int) -> int:
    """Rows a file: the files stay as few as can be, and are even where the last would be tiny."""
    files, last = -(-rows // max_rows), rows % max_rows
    is_tiny = 0 < last < max_rows * _TINY and files > 1
    return -(-rows // files) if is_tiny else max_rows
