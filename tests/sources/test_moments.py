"""What changed since a moment is read, and the newest moment is found, in every warehouse."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
import sqlalchemy as sa

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources import Since, Window, count_untimely, newest_moment, open_source
from tests.sources.readers import run
from tests.sources.reading import ROWS, config, read

NOON = datetime(2026, 1, 3, 12, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
LEADS = config(phone="phone", updated_at="u")


def keys(url: str, since: Since) -> set[str]:
    source = open_source(LEADS, warehouse_url=url, columns=["id"], window=since)
    return {key for batch in source.batches() for key in batch.column("id").to_pylist()}


def test_rows_of_a_moment_or_later_are_read(warehouse: str) -> None:
    source = open_source(config(), warehouse_url=warehouse, columns=["id"], window=Since(NOON))
    assert sum(batch.num_rows for batch in source.batches()) == ROWS // 3


def test_the_newest_moment_is_told_in_utc(warehouse: str) -> None:
    for since in (None, Since(NOON)):
        assert newest_moment(config(), warehouse_url=warehouse, since=since, until=LATER) == NOON
    before = datetime(2026, 1, 3, 11, 59, tzinfo=UTC)
    found = newest_moment(config(), warehouse_url=warehouse, since=None, until=before)
    assert found == datetime(2026, 1, 2, 12, tzinfo=UTC)
    assert newest_moment(config(), warehouse_url=warehouse, since=Since(LATER), until=LATER) is None


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date"])
@pytest.mark.parametrize("backend", ["duckdb", "postgresql"])
def test_rows_without_a_moment_are_always_read(
    backend: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    create = (
        f"CREATE TABLE leads AS SELECT i AS id, '1' AS phone, u::{kind} AS u FROM (VALUES "
        "(1, '2026-01-02'), (2, '2026-01-03'), (3, '2026-01-04'), (4, NULL), (5, '{far}'), "
        "(6, '{early}')) t(i, u)"
    ).format(far="2999-01-01", early="0044-03-15" if backend == "duckdb" else "-infinity")
    if backend == "duckdb":
        url = f"duckdb:///{tmp_path / 'w.duckdb'}"
        with duckdb.connect(str(tmp_path / "w.duckdb")) as native:
            native.execute("SET TimeZone = 'UTC'")
            native.execute(create)
    else:
        url = request.getfixturevalue("postgres_url")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
            connection.exec_driver_sql(create)
        engine.dispose()
    midnight = datetime(2026, 1, 3, tzinfo=UTC)
    assert keys(url, Since(midnight)) == {"2", "3", "4", "5"}
    newest = newest_moment(LEADS, warehouse_url=url, since=None, until=LATER)
    assert newest == datetime(2026, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kolkata", "America/Santiago"])
def test_a_date_lies_in_the_window_of_its_own_calendar_day(warehouse: str, zone: str) -> None:
    run(
        warehouse,
        "DROP TABLE IF EXISTS days",
        "CREATE TABLE days (id INT, phone VARCHAR(20), u DATE)",
        *(f"INSERT INTO days VALUES ({day}, '1', '2025-09-0{day}')" for day in range(4, 9)),
        "INSERT INTO days VALUES (9, '1', NULL)",
    )

    def local(day: int, hour: int = 0) -> datetime:
        return datetime(2025, 9, day, hour, tzinfo=ZoneInfo(zone))

    # Santiago's 7 September begins at 1 o'clock.
    expected = {
        (local(6), local(7)): {"6"},
        (local(7), local(8)): {"7"},
        (local(5), local(8)): {"5", "6", "7"},
        (local(6, 9), local(6, 10)): {"6"},
        (local(5, 22), local(7)): {"5", "6"},
    }
    for relation in ({"table": "days"}, {"query": "SELECT * FROM days"}):
        if "sqlite" in warehouse and "query" in relation:
            continue  # SQLite does not tell what a query's columns are
        leads = config(**({"table": None} | relation | {"phone": "phone", "updated_at": "u"}))
        for (start, end), days in expected.items():
            assert set(read(leads, warehouse, ["id"], Window(start, end))["id"].to_pylist()) == days


def test_rows_without_a_moment_are_counted(warehouse: str) -> None:
    moments = ["NULL", "'2026-01-02 10:00:00'", "NULL"]
    if "sqlite" in warehouse:
        moments[0] = "'soon'"
    run(
        warehouse,
        "DROP TABLE IF EXISTS untimely",
        "CREATE TABLE untimely (id INT, phone VARCHAR(20), u TIMESTAMP NULL)",
        *(f"INSERT INTO untimely VALUES ({n}, '1', {u})" for n, u in enumerate(moments)),
    )
    for relation in ({"table": "untimely"}, {"query": "SELECT * FROM untimely"}):
        leads = config(**({"table": None} | relation | {"phone": "phone", "updated_at": "u"}))
        assert count_untimely(leads, warehouse_url=warehouse) == 2


def test_a_cursor_within_a_day_reads_all_of_it(warehouse: str) -> None:
    run(
        warehouse,
        "DROP TABLE IF EXISTS days",
        "CREATE TABLE days (id INT, phone VARCHAR(20), u DATE)",
        "INSERT INTO days VALUES (1, '1', '2026-01-02'), (2, '1', '2026-01-03'), (3, '1', NULL)",
    )
    leads = config(table="days", phone="phone", updated_at="u")
    source = open_source(leads, warehouse_url=warehouse, columns=["id"], window=Since(NOON))
    assert {key for batch in source.batches() for key in batch["id"].to_pylist()} == {"2", "3"}
    newest = newest_moment(leads, warehouse_url=warehouse, since=None, until=NOON)
    assert newest == datetime(2026, 1, 3, tzinfo=UTC)


def test_a_sqlite_moment_is_found_in_every_spelling(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    spelled = {
        "1": "2026-01-02",
        "2": "2026-01-03T12:00:00.250Z",
        "3": "2026-01-03 17:29:59+05:30",
        "4": "not a moment",
        "5": None,
    }
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leads (id, phone, u)")
        for key, moment in spelled.items():
            connection.exec_driver_sql("INSERT INTO leads VALUES (?, '1', ?)", (key, moment))
    engine.dispose()
    assert keys(url, Since(NOON)) == {"2", "4", "5"}
    newest = newest_moment(LEADS, warehouse_url=url, since=None, until=LATER)
    assert newest == NOON.replace(microsecond=250_000)


NO_MOMENTS = {"sqlite": ["INTEGER", "REAL"], "duckdb": ["BIGINT", "VARCHAR", "TIME"]}


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_updated_at_that_is_no_moment_is_refused_in_a_sentence(warehouse: str, at: int) -> None:
    kinds = NO_MOMENTS.get(warehouse.partition(":")[0], ["BIGINT", "VARCHAR(20)", "TIME"])
    if at >= len(kinds):
        return  # SQLite keeps moments as text
    run(
        warehouse,
        "DROP TABLE IF EXISTS untimely",
        f"CREATE TABLE untimely (id INT, phone VARCHAR(20), u {kinds[at]})",
        "INSERT INTO untimely VALUES (1, '1', NULL)",
    )
    leads = config(table="untimely", phone="phone", updated_at="u")
    refused = pytest.raises(SourceError, match=r"source\.updated_at: the column 'u' is declared as")
    with refused:
        newest_moment(leads, warehouse_url=warehouse, since=None, until=LATER)
    with refused:
        read(leads, warehouse, ["id"], Window(NOON, LATER))
    assert read(leads, warehouse, ["id"]).num_rows == 1


def test_a_moment_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="needs a timezone"):
        Since(datetime(2026, 1, 1))  # noqa: DTZ001
