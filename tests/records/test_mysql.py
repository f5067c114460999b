"""Record tables in MySQL or MariaDB; `DIALNEXA_TEST_MYSQL_URL` names a database to make them in."""

import os
from collections.abc import Generator
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa

from dialnexa_pipeline.records import (
    WarehouseUnavailable,
    open_records,
    record_tables,
    warehouse,
)
from tests.records.test_duckdb_rows import ROWS, TABLE, leads, rows

MYSQL = os.environ.get("DIALNEXA_TEST_MYSQL_URL", "")

pytestmark = pytest.mark.skipif(not MYSQL, reason="DIALNEXA_TEST_MYSQL_URL is not set")


@pytest.fixture(autouse=True)
def engine() -> Generator[sa.Engine]:
    """The database without record tables."""
    engine = sa.create_engine(MYSQL)
    record_tables().drop_all(engine)
    yield engine
    record_tables().drop_all(engine)
    engine.dispose()


def test_rows_that_come_again_take_the_place_of_the_old_ones() -> None:
    with open_records(MYSQL) as records:
        assert records.replace_all(TABLE, leads()) == ROWS
    with open_records(MYSQL) as records:
        assert records.replace_all(TABLE, leads("withdrawn")) == ROWS
        (read,) = records.read(TABLE, "x")
    assert read.num_rows == ROWS
    assert set(read["state"].to_pylist()) == {"withdrawn"}


def test_keys_that_differ_in_case_or_in_blanks_and_moments_with_fractions_are_kept() -> None:
    moment = datetime(2026, 11, 27, 12, 30, 1, 250_000, tzinfo=UTC)
    two = rows(0, 3, "enrolled")
    keys = ["प्रिया 🙂", "x" * 255, "é"]
    for name, values in {"enrolment_ref": ["a", "A", "a "], "lead_key": keys}.items():
        two = two.set_column(two.column_names.index(name), name, pa.array(values))
    moments = pa.repeat(pa.scalar(moment, pa.timestamp("us", "UTC")), 3)
    two = two.set_column(two.column_names.index("enrolled_at"), "enrolled_at", moments)
    with open_records(MYSQL) as records:
        records.replace(TABLE, two)
        (read,) = records.read(TABLE, "x")
    assert sorted(read["enrolment_ref"].to_pylist()) == ["A", "a", "a "]
    assert set(read["lead_key"].to_pylist()) == set(keys)
    assert read["enrolled_at"].to_pylist() == [moment] * 3


def test_whoever_waits_too_long_for_another_run_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warehouse, "_LOCK_PATIENCE", 1.0)
    with (
        open_records(MYSQL),
        pytest.raises(WarehouseUnavailable, match="another run has held them for 1 seconds"),
        open_records(MYSQL),
    ):
        pass
