"""A key identifies one row, or the run stops and names what is wrong."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources import check_keys


def test_repeated_keys_are_named_five_at_most(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": [*"aabbccddeeffgh"]}), path)
    with pytest.raises(SourceError, match=r"'a' \(2 times\).*'e' \(2 times\)") as caught:
        check_keys([path], "k")
    assert "'f'" not in str(caught.value)


def test_null_keys_are_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": ["a", None, "b", " "]}), path)
    with pytest.raises(SourceError, match="row 2, 4"):
        check_keys([path], "k")


def test_a_key_that_is_a_phone_number_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": ["+919876543210"] * 2}), path)
    with pytest.raises(SourceError, match=r"'\+91\*+3210' \(2 times\)"):
        check_keys([path], "k")


def test_keys_are_compared_across_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path in paths:
        pq.write_table(pa.table({'odd "name"': ["same", path.name]}), path)
    with pytest.raises(SourceError, match="'same'"):
        check_keys(paths, 'odd "name"')
    check_keys(paths[:1], 'odd "name"')
    check_keys([], "k")
