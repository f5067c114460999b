"""Batch files as XLSX in which every cell is text, with a size that is bounded before writing."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

# XML has no such characters, escaped or not.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# A row as openpyxl writes it, `<row r="1048576">…</row>`, and a cell,
# `<c r="XFD1048576" s="1" t="inlineStr"><is><t xml:space="preserve">…</t></is></c>`.
_ROW_BYTES = 30
_CELL_BYTES = 90
# `&amp;` for one character, the longest that XML writes for one.
_ESCAPED = "[&<>\r]"
_MORE_FOR_ESCAPED = 4


def render_xlsx(table: pa.Table) -> bytes:
    """One sheet, every cell text, so that `+` and leading zeros survive.

    Characters that XLSX cannot hold become blanks.
    """
    # A tenth of a second, which every step's process would pay, whatever it writes.
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("leads")
    columns = [column.to_pylist() for column in table.columns]
    append_texts(sheet, [table.column_names, *zip(*columns, strict=True)])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def read_xlsx(content: bytes) -> list[list[str]]:
    """The rows of a file that `render_xlsx` made, the header first."""
    import openpyxl

    sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True).worksheets[0]
    return [
        ["" if cell is None else str(cell) for cell in row]
        for row in sheet.iter_rows(values_only=True)
    ]


def xlsx_row_bytes(table: pa.Table) -> npt.NDArray[np.int64]:
    """The most bytes that each row may add to a file: its XML, which deflates to less."""
    sizes = np.full(table.num_rows, _ROW_BYTES + _CELL_BYTES * table.num_columns, np.int64)
    for column in table.columns:
        text = pc.fill_null(column.combine_chunks(), "")
        escaped = pc.count_substring_regex(text, _ESCAPED)
        sizes += pc.binary_length(text).to_numpy() + _MORE_FOR_ESCAPED * escaped.to_numpy()
    return sizes


def xlsx_header_bytes(names: Sequence[str]) -> int:
    """What a file holds beside its rows."""
    return len(render_xlsx(pa.table({name: pa.array([], pa.string()) for name in names})))


def append_texts(sheet: "WriteOnlyWorksheet", rows: Iterable[Sequence[str | None]]) -> None:
    """Add rows whose cells spreadsheets show as they are: never a number, and never a formula."""
    from openpyxl.cell import WriteOnlyCell

    for row in rows:
        cells = [WriteOnlyCell(sheet, value=_UNFIT.sub(" ", value or "")) for value in row]
        for cell in cells:
            cell.data_type = "s"
            cell.number_format = "@"
        sheet.append(cells)
