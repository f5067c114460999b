"""A workbook gives the same texts by python-calamine and by openpyxl."""

import zipfile
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from dialnexa_pipeline.sources import workbook

FORMATS = [
    *["General", "0.00", "0%", "@", '#,##0.00 "USD"', '"Day" 0', "[Red]0", "yyyy-mm-dd", "mmm yy"],
    *["yyyy-mm-dd hh:mm:ss", "hh:mm:ss", "[h]:mm:ss", "h:mm AM/PM", r"[$-409]d\-mmm\-yy;@"],
]
NUMBERS = ["1", "1.0", "-0", "9876543210.0", "9.87654321E9", "123456789012345", "0.1", "1e20"]
SERIALS = ["46024", "46024.395833333336", "46024.39584490741", "0.395833333336", "1.5", "60", "0"]
PLAIN = [
    *['t="b"><v>1</v>', 't="b"><v>0</v>', 't="str"><f>A1</f><v>x</v>', "><f>A1</f>", 't="n">'],
    *['t="s"><v>0</v>', 't="s"><v>1</v>', 't="s"><v>2</v>', 't="str"><v> 001 </v>'],
    *['t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is>', 't="d"><v>2026-01-02</v>'],
]
ODD = [
    *[f't="e"><v>{error}</v>' for error in ("#N/A", "#DIV/0!", "#SPILL!")],
    *["><v>1234567890123456</v>", "><v>12345678901234567890</v>"],
    *['t="inlineStr"><is><t></t></is>', 't="inlineStr"><is><t/></is>'],
    *['t="inlineStr"><is><t> a</t></is>', 't="inlineStr"><is><t>a_x0041_b</t></is>'],
]
STRINGS = (
    '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<si><t xml:space="preserve">  प्रिया 🙂 </t></si><si><t>l1\nl2 &amp; x</t></si>'
    '<si><t>ph</t><rPh sb="0" eb="1"><t>X</t></rPh></si></sst>'
)


@pytest.mark.parametrize("mac", [False, True])
def test_plain_cells_are_read_by_calamine_as_openpyxl_reads_them(
    mac: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    styled = [f's="{style}"><v>{n}</v>' for style in range(len(FORMATS)) for n in SERIALS]
    path = written(tmp_path, [f"><v>{n}</v>" for n in NUMBERS] + styled + PLAIN, mac=mac)
    expected = list(workbook._openpyxl_rows(path, None))
    assert len({row[1] for row in expected if len(row) > 1}) > 30
    refuse_openpyxl(monkeypatch)
    found = list(workbook.sheet_rows(path, None))
    assert [row[:1] + (row[1:] or [None]) for row in expected] == found


@pytest.mark.parametrize("cell", ODD)
def test_cells_that_calamine_reads_otherwise_are_left_to_openpyxl(
    cell: str, tmp_path: Path
) -> None:
    path = written(tmp_path, [cell])
    expected = list(workbook._openpyxl_rows(path, None))
    assert list(workbook.sheet_rows(path, None)) == expected
    assert workbook._fast_sheet(path, None) is None


def test_an_odd_cell_is_found_wherever_a_piece_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, [f"><v>{n}</v>" for n in range(40)] + ODD[-2:-1])
    for size in range(20, 60):
        monkeypatch.setattr(workbook, "_PIECE_BYTES", size)
        assert not workbook._reads_alike(path)


def test_chart_sheets_and_blank_rows_are_no_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart", 0)
    sheet = book["Sheet"]
    sheet["B3"], sheet["C3"], sheet["C7"] = "id", "phone", datetime(2026, 1, 2, 9, 30)  # noqa: DTZ001
    book.save(tmp_path / "leads.xlsx")
    refuse_openpyxl(monkeypatch)
    rows = [row[-2:] for row in workbook.sheet_rows(tmp_path / "leads.xlsx", None)]
    assert rows == [["id", "phone"], [None, "2026-01-02T09:30:00"]]


def refuse_openpyxl(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("openpyxl was asked")

    monkeypatch.setattr(workbook, "_openpyxl_rows", refuse)


def written(folder: Path, cells: list[str], *, mac: bool = False) -> Path:
    """A workbook with one numbered row for each cell, given from its attributes on."""
    path = folder / "leads.xlsx"
    book = openpyxl.Workbook()
    if mac:
        book.epoch = CALENDAR_MAC_1904
    for at, kind in enumerate(FORMATS, 1):
        book.active.cell(1, at, 1).number_format = kind
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    rows = "".join(
        f'<row r="{row}"><c r="A{row}"><v>{row}</v></c><c r="B{row}" {cell}</c></row>'
        for row, cell in enumerate(cells, 1)
    )
    parts["xl/worksheets/sheet1.xml"] = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        f"<sheetData>{rows}</sheetData></worksheet>"
    ).encode()
    parts["xl/sharedStrings.xml"] = STRINGS.encode()
    for part, end, entry in (
        (
            "[Content_Types].xml",
            b"</Types>",
            b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/'
            b'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>',
        ),
        (
            "xl/_rels/workbook.xml.rels",
            b"</Relationships>",
            b'<Relationship Id="rId99" Target="sharedStrings.xml" Type="http://schemas.openxml'
            b'formats.org/officeDocument/2006/relationships/sharedStrings"/>',
        ),
    ):
        if b"sharedStrings" not in parts[part]:
            parts[part] = parts[part].replace(end, entry + end)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path
