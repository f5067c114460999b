"""Batch files as CSV without BOM, after RFC 4180."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_MUST_QUOTE = (b",", b'"', b"\r", b"\n")
_CRLF = "\r\n"


def render_csv(table: pa.Table) -> bytes:
    """UTF-8 without BOM, CRLF, fields quoted only when they must be; null is an empty field.

    Args:
        table: string columns, or dictionaries of strings; the column names are the header.
    """
    return csv_file(table.column_names, [csv_lines(table)])


def csv_lines(table: pa.Table) -> pa.Array:
    """Each row as its line, line end included: its length in bytes is what it adds to a file."""
    fields = [_fields_of(column.combine_chunks()) for column in table.columns]
    if len(fields) == 1:
        # A line of nothing would be no row at all.
        fields = [pc.if_else(pc.equal(fields[0], ""), '""', fields[0])]
    last = pc.binary_join_element_wise(fields[-1], _CRLF, "")
    return pc.binary_join_element_wise(*fields[:-1], last, ",")


def csv_file(names: Sequence[str], lines: Sequence[pa.Array]) -> bytes:
    """The file with these columns and lines, as `csv_lines` gives them."""
    return b"".join((_header(names), *map(_bytes_of, lines)))


def csv_header_bytes(names: Sequence[str]) -> int:
    """The exact size of the header line as `render_csv` writes it."""
    return len(_header(names))


def _header(names: Sequence[str]) -> bytes:
    return (",".join(_quoted_text(name) for name in names) + _CRLF).encode("utf-8")


def _fields_of(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        # Each text of the dictionary is looked at once, however often it comes.
        return _filled(_quoted(column.dictionary).take(column.indices))
    return _quoted(_filled(column))


def _filled(text: pa.Array) -> pa.Array:
    return pc.fill_null(text, "") if text.null_count else text


def _quoted(text: pa.Array) -> pa.Array:
    held = _bytes_of(text)
    marks = [mark for mark in _MUST_QUOTE if mark in held]
    if not marks:
        return text
    must_quote = _holding(text, held, marks)
    # Few rows have such a mark, even in a column where it is usual.
    doubled = pc.replace_substring(text.filter(must_quote), '"', '""')
    return pc.replace_with_mask(
        text, must_quote, pc.binary_join_element_wise('"', doubled, '"', "")
    )


def _holding(text: pa.Array, held: bytes, marks: Sequence[bytes]) -> pa.Array:
    """Which texts hold one of some bytes; `held` are all of them one after another."""
    every = np.frombuffer(held, np.uint8)
    found = np.zeros(len(every), np.bool_)
    for mark in marks:
        found |= every == mark[0]
    ends = np.cumsum(pc.binary_length(text).to_numpy())
    holding = np.zeros(len(text), np.bool_)
    holding[np.searchsorted(ends, np.flatnonzero(found), side="right")] = True
    return pa.array(holding)


def _bytes_of(text: pa.Array) -> bytes:
    """All values one after another, as they lie in the array's buffer."""
    if len(text) == 0:
        return b""
    _, offsets, data = text.buffers()
    if data is None:
        return b""
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return data.slice(int(ends[0]), int(ends[-1] - ends[0])).to_pybytes()


def _quoted_text(text: str) -> str:
    if any(character in text for character in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
