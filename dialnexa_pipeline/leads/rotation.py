"""Where one batch file ends and the next begins: as full as its rows and bytes may be."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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

    def even_end(self, sizes: npt.NDArray[np.int64], *, rows: int = 0, size: int = 0) -> int:
        """Where the first of two files ends so that the second is not tiny without need.

        Args:
            sizes: bytes of each row that is still free to go into either.
            rows, size: rows and bytes, header included, that the first holds already.

        Returns:
            An index into `sizes`: both files are within their limits, and differ in rows as
            little as those allow.

        Raises:
            ValueError: no cut makes two files of them.
        """
        sums = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        places = np.arange(len(sums))
        first_bytes = (size if rows else self.header_bytes) + sums
        second_rows = len(sizes) - places
        second_bytes = self.header_bytes + sums[-1] - sums
        fits = (
            (rows + places <= self.max_rows)
            & (second_rows <= self.max_rows)
            & ((first_bytes <= self.max_bytes) | (rows + places <= 1))
            & ((second_bytes <= self.max_bytes) | (second_rows <= 1))
        )
        if not fits.any():
            raise ValueError("the rows do not fit into two files")
        apart = np.abs(rows + places - second_rows)
        return int(np.argmin(np.where(fits, apart, np.iinfo(np.int64).max)))
