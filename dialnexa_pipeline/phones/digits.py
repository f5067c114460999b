"""A column of plainly written numbers as columns of digits."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dialnexa_pipeline.phones.machine import END, Column

_Number = TypeVar("_Number", np.int32, np.int64)

# More digits than this do not fit an int64 key with every calling code.
MOST_DIGITS = 18
# With fewer, `phonenumbers` asks how they are written.
FEWEST_DIGITS = 3
_LONGEST_TEXT = 100

_SEPARATOR, _DOT, _OTHER = 11, 12, 13
_CLASSES = np.full(256, _OTHER, np.uint8)
_CLASSES[ord("0") : ord("9") + 1] = np.arange(10)
for _character in " -()[]/":
    _CLASSES[ord(_character)] = _SEPARATOR
_CLASSES[ord(".")] = _DOT
# Counts of two kinds of bytes side by side in one number, for texts of `_LONGEST_TEXT` at most.
_UNUSUAL = np.zeros(256, np.int32)
_UNUSUAL[_OTHER] = 1
_UNUSUAL[_DOT] = 1 << 8
_OPENS_A_FORMULA = [ord("-"), ord(" "), ord(".")]


@dataclass(frozen=True, slots=True)
class Digits:
    """Numbers, position by position.

    Attributes:
        columns: the first digit of each number, the second …; `END` where it has no more.
        lengths: how many digits each has (int64).
    """

    columns: list[Column]
    lengths: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> "Digits":
        """Some of the numbers."""
        return Digits([column.take(rows) for column in self.columns], self.lengths.take(rows))

    def drop(self, count: int) -> "Digits":
        """Each number without its first digits; none may be shorter."""
        return Digits(self.columns[count:], self.lengths - count)

    def values(self, before: NDArray[np.int64]) -> NDArray[np.int64]:
        """Each number as an integer, behind the digits of another."""
        result = before.copy()
        for column in self.columns:
            np.add(result * 10, column, out=result, where=column != END)
        return result


@dataclass(frozen=True, slots=True)
class PlainNumbers:
    """The numbers of a text column that are digits and separators, with at most a leading plus.

    Attributes:
        rows: where in the column they stand.
        has_plus: which of them begin with a plus sign.
    """

    rows: NDArray[np.int64]
    has_plus: NDArray[np.bool_]
    digits: Digits


def read_plain_numbers(texts: pa.StringArray) -> PlainNumbers:
    """Find what needs no interpretation: `phones.spelling` would leave such a text as it is, and
    `phonenumbers` would read its digits and nothing else.

    Args:
        texts: no nulls.
    """
    offsets, data = _buffers(texts)
    starts, ends = offsets[:-1], offsets[1:]
    classes = _CLASSES.take(data)
    is_digit = classes < 10
    lengths = _sums(is_digit, offsets, np.int64)
    first = np.zeros(len(starts), np.uint8)
    filled = np.flatnonzero(ends > starts)
    first[filled] = data.take(starts.take(filled))
    has_plus = first == ord("+")
    unusual = _sums(_UNUSUAL.take(classes), offsets, np.int32)
    others = (unusual & 0xFF) - has_plus
    plain = (
        (others == 0)
        & (lengths >= FEWEST_DIGITS)
        & (lengths <= MOST_DIGITS)
        & (ends - starts <= _LONGEST_TEXT)
        & ~np.isin(first, _OPENS_A_FORMULA)
    )
    # One point may be a spreadsheet's decimal point.
    plain &= unusual >> 8 != 1
    rows = np.flatnonzero(plain)
    return PlainNumbers(rows, has_plus.take(rows), _digits(classes[is_digit], lengths, rows))


def _digits(compact: Column, lengths: NDArray[np.int64], rows: NDArray[np.int64]) -> Digits:
    starts = (np.cumsum(lengths) - lengths).take(rows)
    of_rows = lengths.take(rows)
    longest = int(of_rows.max(initial=0))
    shortest = int(of_rows.min(initial=0))
    padded = np.concatenate([compact, np.full(MOST_DIGITS, END, np.uint8)])
    columns: list[Column] = []
    for position in range(longest):
        column = padded.take(starts + position)
        if position >= shortest:
            column[of_rows <= position] = END
        columns.append(column)
    return Digits(columns, of_rows)


def _buffers(texts: pa.StringArray) -> tuple[NDArray[np.int64], Column]:
    flat = pc.cast(texts, pa.large_string())
    _, offsets, data = flat.buffers()
    bounds = np.frombuffer(offsets, np.int64)[flat.offset : flat.offset + len(flat) + 1]
    if len(flat) == 0 or data is None:
        return np.zeros(len(flat) + 1, np.int64), np.zeros(0, np.uint8)
    content = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    return bounds - bounds[0], content


def _sums(
    values: NDArray[Any], offsets: NDArray[np.int64], dtype: type[_Number]
) -> NDArray[_Number]:
    """The sum of the values of each text's bytes; a running total that overflows does no harm."""
    before = np.zeros(len(values) + 1, dtype)
    np.cumsum(values, dtype=dtype, out=before[1:])
    return np.diff(before.take(offsets))
