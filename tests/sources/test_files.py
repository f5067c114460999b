"""CSV and XLSX files give text, or one sentence that repeats nobody's data."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from pydantic import ValidationError

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.replaying.sheet import read_sheet
from dialnexa_pipeline.sources import Window, open_source
from tests.sources.reading import config, file_config, read, read_file


def test_a_csv_file_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text('id,phone,name\n1,00123,"a,\nb"\n2,+91,\n', encoding="utf-8-sig")
    table = read(config(table=None, file=str(path), phone="phone"), "", ["id", "phone", "name"])
    assert table.to_pylist() == [
        {"id": "1", "phone": "00123", "name": "a,\nb"},
        {"id": "2", "phone": "+91", "name": ""},
    ]


def test_a_csv_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"id,phone\n1,2\n3,M\xfcller\n")
    with pytest.raises(SourceError, match="not UTF-8: line 3"):
        read(config(table=None, file=str(path), phone="phone"), "", ["id", "phone"])


def test_an_xlsx_file_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "leads.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["id", "phone"])
    book.active.append([1, 9876543210.0])
    book.save(path)
    source = config(table=None, file=str(path), phone="phone")
    assert read(source, "", ["id", "phone"]).to_pylist() == [{"id": "1", "phone": "9876543210"}]
    path.write_bytes(b"this is no workbook")
    with pytest.raises(SourceError, match="cannot be read as an XLSX workbook"):
        read(source, "", ["id", "phone"])


def test_a_csv_file_comes_in_batches_of_the_asked_size(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("id,phone\n" + "".join(f"{n},{n}\n" for n in range(250)))
    source = open_source(
        file_config(path), warehouse_url="", columns=["phone", "id"], batch_rows=100
    )
    batches = list(source.batches())
    assert [batch.num_rows for batch in batches] == [100, 100, 50]
    assert batches[0].schema.names == ["phone", "id"]


def test_a_csv_file_with_only_a_header_is_an_empty_source(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("id,phone\n")
    source = open_source(file_config(path), warehouse_url="", columns=["id"])
    assert sum(batch.num_rows for batch in source.batches()) == 0


def test_a_file_without_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="no header row"):
        read_file(path)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_first_row_of_data_is_not_shown_as_a_header(tmp_path: Path, kind: str) -> None:
    if kind == "csv":
        path = tmp_path / "leads.csv"
        path.write_text("1,9876500001,Asha Rao\n2,9876500002,Kim\n")
    else:
        path = workbook(tmp_path, [1, 9876500001, "Asha Rao"], [2, 9876500002, "Kim"])
    for attempt in (lambda: read_file(path), lambda: list(read_sheet(path, []))):
        with pytest.raises(SourceError, match="perhaps no header") as caught:
            attempt()
        assert "98765" not in str(caught.value)
        assert "Asha" not in str(caught.value)


def test_a_missing_column_is_named_with_those_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("id,mobile\n1,2\n")
    with pytest.raises(SourceError, match="no column 'phone'; its columns are id, mobile"):
        read_file(path)


def test_a_torn_csv_row_is_named_by_number_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("id,phone\n1,2\n3,+919876543210,Priya\n")
    with pytest.raises(SourceError, match=r"row 3 .* has 3 values for 2 columns") as caught:
        read_file(path)
    assert "987" not in str(caught.value)
    assert "Priya" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_bytes_that_are_not_utf8_are_found_far_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    lines = ["id,phone"] + [f"{n},प्रिया" for n in range(300_000)]
    good = ("\n".join(lines) + "\n").encode()
    path.write_bytes(good + b"x,\xff\n")
    with pytest.raises(SourceError, match=f"line {len(lines) + 1}, byte {len(good) + 3} of"):
        read_file(path)


def test_a_file_cut_in_the_middle_of_a_character_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"id,phone\n1," + "प्रिया".encode()[:-1])
    with pytest.raises(SourceError, match="line 2, byte"):
        read_file(path)


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("id,phone,phone\n1,2,3\n")
    with pytest.raises(SourceError, match="'phone' twice"):
        read_file(path)


def test_a_file_that_is_missing_or_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*gone\.csv"):
        read_file(tmp_path / "gone.csv")
    (tmp_path / "leads.ods").write_bytes(b"x")
    with pytest.raises(SourceError, match=r"neither a \.csv nor an \.xlsx"):
        read_file(tmp_path / "leads.ods")


def test_a_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leads.csv").write_text("id,phone\n1,2\n")
    monkeypatch.chdir(tmp_path)
    assert read_file(Path("leads.csv")).num_rows == 1


def test_cells_become_text_as_a_person_reads_them(tmp_path: Path) -> None:
    path = workbook(
        tmp_path,
        ["id", "phone", "when", "exact", "flag", "share"],
        [1, "+91 98", datetime(2026, 1, 2), datetime(2026, 1, 2, 9, 30), True, 0.25],  # noqa: DTZ001
        [None, None, None, None, None, None],
        [2, None, None, None, False, 3.0],
    )
    assert read_file(path, "id", "phone", "when", "exact", "flag", "share").to_pylist() == [
        {
            "id": "1",
            "phone": "+91 98",
            "when": "2026-01-02",
            "exact": "2026-01-02T09:30:00",
            "flag": "true",
            "share": "0.25",
        },
        {"id": "2", "phone": None, "when": None, "exact": None, "flag": "false", "share": "3"},
    ]


def test_a_workbook_that_states_a_wrong_size_is_read_whole(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["id", "phone"], [1, "a"], [2, "b"])
    change_sheet(path, lambda xml: xml.replace(b'ref="A1:B3"', b'ref="A1"'))
    assert read_file(path)["phone"].to_pylist() == ["a", "b"]


def test_a_damaged_sheet_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["id", "phone"], [1, "a"])
    change_sheet(path, lambda xml: xml[: len(xml) // 2])
    with pytest.raises(SourceError, match="cannot be read as an XLSX workbook"):
        read_file(path)


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["id", "phone"], [1, "a"])
    with pytest.raises(SourceError, match=r"no sheet 'Leads'; its sheets are Sheet"):
        read(file_config(path, sheet="Leads"), "", ["id"])
    assert read(file_config(path, sheet="Sheet"), "", ["id"]).num_rows == 1
    with pytest.raises(ValidationError, match=r"sheet belongs to an \.xlsx file"):
        file_config(tmp_path / "leads.csv", sheet="Leads")


def test_a_file_has_no_windows(tmp_path: Path) -> None:
    day = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(SourceError, match="cannot be cut into partitions"):
        read(file_config(tmp_path / "leads.csv", updated_at="u"), "", ["id"], day)


def workbook(folder: Path, *rows: list[object]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    path = folder / "leads.xlsx"
    book.save(path)
    return path


def change_sheet(path: Path, change) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, change(data) if name.endswith("sheet1.xml") else data)
