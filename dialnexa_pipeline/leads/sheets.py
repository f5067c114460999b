"""Batch files as XLSX: one sheet, written as text, whose size is bounded before it is written.

A row is XML that waits for its number only, so rows are made a column at a time. Text deflates to
less than itself, so a file never holds more than its rows' own bytes and `xlsx_header_bytes`.
"""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import io
import re
import zipfile
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

# XML has no such characters, escaped or not.
_UNFIT = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"
_UNFIT_IN_TEXT = re.compile(_UNFIT)
# No value holds it, being unfit, so it may stand for the number of the row.
_NUMBER = "\x01"
# XLSX has 1,048,576 rows.
_NUMBER_DIGITS = 7
_ESCAPES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;"))
_SHEET_PATH = "xl/worksheets/sheet1.xml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
    f'<Override PartName="/{_SHEET_PATH}" ContentType="{_TYPE}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="leads" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    # The second format, 49, is text: a spreadsheet that opens the file keeps the digits.
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font>'
    '<sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf/><xf numFmtId="49" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>",
}
_SHEET_BEGINS = f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'
_SHEET_ENDS = "</sheetData></worksheet>"


def render_xlsx(table: pa.Table) -> bytes:
    """One sheet, every cell text, so that `+` and leading zeros survive.

    Characters that XLSX cannot hold become blanks.
    """
    return xlsx_file(table.column_names, [xlsx_lines(table)])


def xlsx_lines(table: pa.Table) -> pa.Array:
    """Each row as XML without its number; null is an empty cell."""
    pieces: list[pa.Array | str] = [f'<row r="{_NUMBER}">']
    for place, column in enumerate(table.columns, 1):
        cell = f'<c r="{get_column_letter(place)}{_NUMBER}" s="1" t="inlineStr"><is>'
        pieces += [f'{cell}<t xml:space="preserve">', _escaped(column), "</t></is></c>"]
    return pc.binary_join_element_wise(*pieces, "</row>", "")


def xlsx_sizes(lines: pa.Array, columns: int) -> npt.NDArray[np.int64]:
    """The most bytes that each line of so many columns may add to a file."""
    numbers = (columns + 1) * (_NUMBER_DIGITS - len(_NUMBER))
    return pc.binary_length(lines).to_numpy(zero_copy_only=False).astype(np.int64) + numbers


def xlsx_header_bytes(names: Sequence[str]) -> int:
    """The most bytes that a file holds beside the lines of its rows."""
    return len(_zipped(_parts(names, []), zipfile.ZIP_STORED))


def xlsx_file(names: Sequence[str], lines: Sequence[pa.Array]) -> bytes:
    """The file with these columns and lines, as `xlsx_lines` gives them; always the same bytes."""
    return _zipped(_parts(names, lines), zipfile.ZIP_DEFLATED)


def text_cell(sheet: WriteOnlyWorksheet, value: str | None) -> Cell:
    """A cell that spreadsheets show as it is: never a number, and never a formula."""
    cell = WriteOnlyCell(sheet, value=_UNFIT_IN_TEXT.sub(" ", value or ""))
    cell.data_type = "s"
    cell.number_format = "@"
    return cell


def _escaped(column: pa.ChunkedArray) -> pa.Array:
    text = pc.fill_null(column.combine_chunks(), "")
    text = pc.replace_substring_regex(text, _UNFIT, " ")
    for mark, escape in _ESCAPES:
        text = pc.replace_substring(text, mark, escape)
    return text


def _parts(names: Sequence[str], lines: Sequence[pa.Array]) -> Iterator[tuple[str, str]]:
    for path, xml in _PARTS.items():
        yield path, f"{_XML}{xml}"
    header = xlsx_lines(pa.table({str(place): [name] for place, name in enumerate(names)}))
    rows = [row for array in (header, *lines) for row in array.to_pylist()]
    numbered = (row.replace(_NUMBER, str(number)) for number, row in enumerate(rows, 1))
    yield _SHEET_PATH, "".join((_SHEET_BEGINS, *numbered, _SHEET_ENDS))


def _zipped(parts: Iterator[tuple[str, str]], method: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in parts:
            # Without the time of day, which would make other bytes of the same rows.
            archive.writestr(zipfile.ZipInfo(path), text, method)
    return content.getvalue()
