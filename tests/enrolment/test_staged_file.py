"""The staged file holds every table in order, and what cannot be written is told."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dialnexa_pipeline.enrolment.staged_file import writing_staged_file


def table(*keys: str) -> pa.Table:
    return pa.table({"lead_key": list(keys), "reason": ["blank"] * len(keys)})


def test_tables_lie_in_the_file_in_order_with_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "staged.parquet"
    with writing_staged_file(path, lambda schema: schema.with_metadata({"read": "all"})) as add:
        for number in range(20):
            add(table(f"{number}a", f"{number}b"))
    read = pq.read_table(path)
    assert read["lead_key"].to_pylist() == [f"{n}{half}" for n in range(20) for half in "ab"]
    assert read.schema.metadata[b"read"] == b"all"


def stage(path: Path, *tables: pa.Table, error: Exception | None = None) -> None:
    with writing_staged_file(path, lambda schema: schema) as add:
        for each in tables:
            add(each)
        if error is not None:
            raise error


def test_what_cannot_be_written_is_raised_even_when_nothing_follows(tmp_path: Path) -> None:
    other = pa.table({"other": ["2"]})
    with pytest.raises(ValueError, match="schema"):
        stage(tmp_path / "staged.parquet", table("1"), other)


def test_an_error_of_the_block_is_the_one_that_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "staged.parquet"
    with pytest.raises(KeyError, match="source"):
        stage(path, table("1"), error=KeyError("source"))
    assert pq.read_table(path).num_rows == 1
