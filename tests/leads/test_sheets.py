"""An XLSX file reads back as written in every reader, and is never larger than was foretold."""

import io
import random
import re

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from dialnexa_pipeline.leads import render_xlsx, xlsx_header_bytes, xlsx_row_bytes

CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8)
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def table_of(rows: list[tuple[str, str]]) -> pa.Table:
    first, second = zip(*rows, strict=True)
    return pa.table({"phone_number": pa.array(first), "a<b": pa.array(second)})


def most_bytes(table: pa.Table) -> int:
    """What planning would count before the file is written."""
    return xlsx_header_bytes(table.column_names) + int(xlsx_row_bytes(table).sum())


def as_xlsx_holds(value: str) -> str:
    """XML has one kind of line end, and no control characters."""
    return UNFIT.sub(" ", value).replace("\r\n", "\n").replace("\r", "\n")


@given(ROWS)
def test_a_file_reads_back_as_written(rows: list[tuple[str, str]]) -> None:
    table = table_of(rows)
    content = render_xlsx(table)
    fit = [[as_xlsx_holds(value) for value in row] for row in rows]
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    read = [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert read == [["phone_number", "a<b"], *fit]
    assert len(content) <= most_bytes(table)


@given(ROWS)
def test_the_reader_of_workbooks_sees_the_same(rows: list[tuple[str, str]]) -> None:
    content = render_xlsx(table_of([("+1", "x"), *rows]))
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    read = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    assert read[:2] == [["phone_number", "a<b"], ["+1", "x"]]
    # It skips rows that are empty at the end of a sheet, and blanks around a value.
    for row, found in zip(rows, read[2:], strict=False):
        assert [cell.strip() for cell in found] == [as_xlsx_holds(value).strip() for value in row]


@pytest.mark.parametrize("width", [0, 1, 2, 8, 200])
@pytest.mark.parametrize(
    "alphabet", ["a", "abcdefghijklmnop0123456789", "<&>", "漢字仮名交文一二三四五"]
)
def test_a_file_is_never_larger_than_its_rows_promised(alphabet: str, width: int) -> None:
    """Short cells in XLSX take twice the bytes that they take in CSV."""
    dice = random.Random(width)
    columns = {
        str(place): ["".join(dice.choices(alphabet, k=width)) for _ in range(1_000)]
        for place in range(15)
    }
    table = pa.table(columns)
    assert len(render_xlsx(table)) <= most_bytes(table)


def test_xlsx_cells_are_text_so_plus_and_zeros_survive() -> None:
    table = pa.table({"phone_number": ["+919876543210"], "code": ["007"], "formula": ["=1+1"]})
    sheet = openpyxl.load_workbook(io.BytesIO(render_xlsx(table))).worksheets[0]
    assert [cell.value for cell in sheet[1]] == table.column_names
    values = [(cell.value, cell.data_type) for cell in sheet[2]]
    assert values == [("+919876543210", "s"), ("007", "s"), ("=1+1", "s")]


def test_characters_that_xlsx_cannot_hold_become_blanks() -> None:
    table = pa.table({"=name": ["a\ufffeb\x00c"]})
    sheet = openpyxl.load_workbook(io.BytesIO(render_xlsx(table))).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet] == [["=name"], ["a b c"]]
    assert sheet["A1"].data_type == "s"
