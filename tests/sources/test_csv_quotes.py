"""A quote that is not closed swallows no row: the file is refused, and the quote's line named."""

import random
from pathlib import Path

import pytest

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources import csv_bytes
from tests.sources.reading import read_file

HEADER = "id,phone,name\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "leads.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('1,97,Kim\n2,98,"Ravi\n3,99,Tara\n4,90,Uma\n', 3),
        ('1,97,"a\nb"\n"2",98,""\n3,99,"Ravi', 5),
    ],
)
def test_a_quote_that_stays_open_to_the_end_names_its_line(
    tmp_path: Path, text: str, line: int
) -> None:
    with pytest.raises(SourceError, match=f"quote that opens on line {line} does not") as caught:
        read_file(write(tmp_path, HEADER + text))
    assert "Ravi" not in str(caught.value)
    assert "99" not in str(caught.value)


@pytest.mark.parametrize("later", ['4,99,"Rao, A"\n', '"4",99,Asha\n', '4,99," Asha"\n'])
def test_a_quote_that_another_value_closes_names_its_line(tmp_path: Path, later: str) -> None:
    path = write(tmp_path, HEADER + '2,97,"Ravi\n3,98,Kim\n' + later)
    with pytest.raises(SourceError, match="quote that opens on line 2 does not"):
        read_file(path)


@pytest.mark.parametrize(
    "value",
    [
        '"a\r\nb, ""c"""',
        '5" pipe',
        'a"b"',
        '""',
        '"a" b',
        '"a\nb" ',
        '"5"" pipe"',
        "",
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_quotes_that_close_or_open_nothing_are_read(tmp_path: Path, value: str, mark: str) -> None:
    path = write(tmp_path, f'{mark}"id",phone,name\n1,97,{value}\n2,98,{value}')
    assert read_file(path, "id", "phone", "name")["id"].to_pylist() == ["1", "2"]


def test_it_does_not_matter_where_a_file_is_cut_into_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    pieces = ['"', '""', ",", "\n", "\r\n", "a", " ", "ü"]
    for _ in range(400):
        path = write(tmp_path, "".join(chance.choices(pieces, k=chance.randint(0, 14))))
        said: set[str] = set()
        for block in (1, 2, 3, 5, 1_000):
            monkeypatch.setattr(csv_bytes, "BLOCK_BYTES", block)
            monkeypatch.setattr(csv_bytes, "_CARRIED", 1_000)
            try:
                csv_bytes.check_csv(path)
                said.add("")
            except SourceError as error:
                said.add(str(error))
        assert len(said) == 1


def test_a_row_without_an_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "1,97," + "a" * 3 * csv_bytes.BLOCK_BYTES)
    with pytest.raises(SourceError, match="a row is larger than 4 MB"):
        read_file(path)
