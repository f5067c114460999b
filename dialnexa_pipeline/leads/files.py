"""Batch files: CSV without BOM after RFC 4180, or XLSX in which every cell is text."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import io
import re
from collections.abc import Sequence

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

_MUST_QUOTE = '[",\r\n]'
_CRLF = "\r\n"
# XML has no such characters, escaped or not.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def render_csv(table: pa.Table) -> bytes:
    """UTF-8 without BOM, CRLF, fields quoted only when they must be; null is an empty field.

    Args:
        table: string columns; the column names are the header.
    """
    lines = _lines(table)
    header = ",".join(_quoted_text(name) for name in table.column_names) + _CRLF
    body = _CRLF.join(lines.to_pylist())
    return (header + body + (_CRLF if table.num_rows else "")).encode("utf-8")


def csv_row_bytes(table: pa.Table) -> pa.Array:
    """The exact size of each row as `render_csv` writes it, line end included (int64)."""
    return pc.add(pc.cast(pc.binary_length(_lines(table)), pa.int64()), len(_CRLF))


def csv_header_bytes(names: Sequence[str]) -> int:
    """The exact size of the header line as `render_csv` writes it."""
    return len((",".join(_quoted_text(name) for name in names) + _CRLF).encode("utf-8"))


def render_xlsx(table: pa.Table) -> bytes:
    """One sheet, every cell text, so that `+` and leading zeros survive.

    Characters that XLSX cannot hold become blanks.
    """
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("leads")
    columns = [column.to_pylist() for column in table.columns]
    for row in (table.column_names, *zip(*columns, strict=True)):
        sheet.append([text_cell(sheet, value) for value in row])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def text_cell(sheet: WriteOnlyWorksheet, value: str | None) -> Cell:
    """A cell that spreadsheets show as it is: never a number, and never a formula."""
    cell = WriteOnlyCell(sheet, value=_UNFIT.sub(" ", value or ""))
    cell.data_type = "s"
    cell.number_format = "@"
    return cell


def _lines(table: pa.Table) -> pa.Array:
    fields = [_quoted(column.combine_chunks()) for column in table.columns]
    if len(fields) > 1:
        return pc.binary_join_element_wise(*fields, ",")
    # A line of nothing would be no row at all.
    return pc.if_else(pc.equal(fields[0], ""), '""', fields[0])


def _quoted(column: pa.Array) -> pa.Array:
    text = pc.fill_null(column, "")
    doubled = pc.replace_substring(text, '"', '""')
    quoted = pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.if_else(pc.match_substring_regex(text, _MUST_QUOTE), quoted, text)


def _quoted_text(text: str) -> str:
    if any(character in text for character in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
