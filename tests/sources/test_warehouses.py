"""What is particular to one kind of warehouse: locks, zones, drivers, memory."""

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from dialnexa_pipeline.errors import ConfigError, SourceError
from dialnexa_pipeline.sources import Window, open_source, warehouse
from tests.sources.conftest import MYSQL
from tests.sources.reading import config, read

DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
HOLDER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.close()
"""
READER = """
import resource, sys
from dialnexa_pipeline.sources import SourceConfig, open_source
source = open_source(
    SourceConfig(table="leads", key="id", phone="phone"),
    warehouse_url=sys.argv[1], columns=["id", "phone", "note"], batch_rows=5_000,
)
rows = sum(batch.num_rows for batch in source.batches())
print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture
def duckdb_file(tmp_path: Path) -> Path:
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE leads AS SELECT i AS id, '1' AS phone, "
            "TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_hours(i::INT) AS u FROM range(48) t(i)"
        )
    return path


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_locked_duckdb_file_is_waited_for(duckdb_file: Path) -> None:
    holder = hold(duckdb_file, 0.7)
    try:
        assert read(config(phone="phone"), f"duckdb:///{duckdb_file}", ["id"]).num_rows == 48
    finally:
        holder.communicate()


def test_a_duckdb_file_that_stays_locked_is_a_sentence(
    duckdb_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "_LOCK_PATIENCE_SECONDS", 0.3)
    holder = hold(duckdb_file, 30)
    try:
        with pytest.raises(SourceError, match="Another process kept the file locked"):
            read(config(phone="phone"), f"duckdb:///{duckdb_file}", ["id"])
    finally:
        holder.kill()
        holder.communicate()


def test_a_duckdb_window_is_in_utc_whatever_the_machine_says(
    duckdb_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        leads = config(phone="phone", updated_at="u")
        assert read(leads, f"duckdb:///{duckdb_file}", ["id"], DAY).num_rows == 24
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz"])
def test_a_postgres_window_is_in_utc_whatever_the_server_says(postgres_url: str, kind: str) -> None:
    engine = sa.create_engine(postgres_url)
    name = sa.make_url(postgres_url).database
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        connection.exec_driver_sql(
            "CREATE TABLE leads AS SELECT i AS id, '1' AS phone, (timestamptz "
            f"'2026-01-01 00:00:00+00' + i * interval '1 hour')::{kind} AS u "
            "FROM generate_series(0, 47) AS t(i)"
        )
        connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET timezone TO 'Asia/Kolkata'")
    engine.dispose()
    found = read(config(phone="phone", updated_at="u"), postgres_url, ["id", "u"], DAY)
    assert found.num_rows == 24
    assert found["u"][0].as_py().hour == 0


@pytest.mark.skipif(not MYSQL, reason="needs a MySQL server: set DIALNEXA_TEST_MYSQL_URL")
@pytest.mark.parametrize("kind", ["TIMESTAMP", "DATETIME"])
def test_a_mysql_window_is_in_utc_whatever_the_session_says(kind: str) -> None:
    engine = sa.create_engine(str(MYSQL))
    with engine.begin() as connection:
        connection.exec_driver_sql("SET time_zone = '+00:00'")
        connection.exec_driver_sql("DROP TABLE IF EXISTS zoned_leads")
        connection.exec_driver_sql(
            f"CREATE TABLE zoned_leads (id INT, phone VARCHAR(9), u {kind} NULL)"
        )
        connection.exec_driver_sql(
            "INSERT INTO zoned_leads VALUES (1, '1', '2025-12-31 23:59:59'), "
            "(2, '1', '2026-01-01 00:00:00'), (3, '1', '2026-01-01 23:59:59'), "
            "(4, '1', '2026-01-02 00:00:00')"
        )
    engine.dispose()
    url = sa.make_url(str(MYSQL)).update_query_dict({"init_command": "SET time_zone='+05:30'"})
    leads = config(table="zoned_leads", phone="phone", updated_at="u")
    found = read(leads, url.render_as_string(hide_password=False), ["id"], DAY)
    assert sorted(found["id"].to_pylist()) == ["2", "3"]


def test_a_sqlite_window_understands_every_spelling_of_a_moment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    inside = ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-02 05:29:59.5+05:30"]
    outside = ["2025-12-31T23:59:59", "2026-01-02", "2026-01-01T04:00:00+05:30"]
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leads (id, phone, u)")
        for moment in [*inside, *outside]:
            connection.exec_driver_sql("INSERT INTO leads VALUES (?, '1', ?)", (moment, moment))
    engine.dispose()
    found = read(config(phone="phone", updated_at="u"), url, ["id"], DAY)
    assert sorted(found["id"].to_pylist()) == sorted(inside)


def test_a_mixed_sqlite_column_is_text_throughout(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE leads (id, phone, v)")
        for n, value in enumerate([None, 5, 2.5, 3.0, "x", b"\x01", 1e20]):
            connection.exec_driver_sql("INSERT INTO leads VALUES (?, '1', ?)", (n, value))
    engine.dispose()
    found = read(config(phone="phone"), url, ["v"])
    assert found["v"].to_pylist() == [None, "5", "2.5", "3", "x", "01", "100000000000000000000"]


def test_a_window_needs_a_zone_and_a_column() -> None:
    with pytest.raises(ValueError, match="need a timezone"):
        Window(datetime(2026, 1, 1), datetime(2026, 1, 2))  # noqa: DTZ001
    with pytest.raises(SourceError, match=r"source\.updated_at is missing"):
        open_source(
            config(updated_at=None), warehouse_url="sqlite:///x", columns=["id"], window=DAY
        )


@pytest.mark.parametrize("url", ["nonsense://u:secret@h/x", "u:secret@h"])
def test_a_url_without_a_driver_is_a_sentence_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="DIALNEXA_WAREHOUSE_URL") as caught:
        read(config(), url, ["id"])
    assert "secret" not in str(caught.value)


def test_a_description_holds_no_secret() -> None:
    url = "postgresql://u:secret@h/x?password=secret"
    source = open_source(config(), warehouse_url=url, columns=["id"])
    assert source.description == "leads in postgresql+psycopg://u:***@h/x"


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["duckdb", "sqlite", "postgresql", *(["mysql"] if MYSQL else [])])
def test_memory_does_not_grow_with_the_table(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    peaks: list[int] = []
    for rows in (20_000, 400_000):
        url = {
            "duckdb": lambda rows=rows: f"duckdb:///{tmp_path / f'{rows}.duckdb'}",
            "sqlite": lambda rows=rows: f"sqlite:///{tmp_path / f'{rows}.db'}",
            "postgresql": lambda: request.getfixturevalue("postgres_url"),
            "mysql": lambda: str(MYSQL),
        }[kind]()
        numbers = {
            "duckdb": f"range({rows}) t(n)",
            "postgresql": f"generate_series(1, {rows}) t(n)",
            "mysql": f"(SELECT seq AS n FROM seq_1_to_{rows}) t",
        }.get(kind, "t")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE IF EXISTS leads")
            with_numbers = (
                f"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {rows}) "
                if kind == "sqlite"
                else ""
            )
            connection.exec_driver_sql(
                f"CREATE TABLE leads AS {with_numbers}SELECT n AS id, '9876543210' AS phone, "
                f"'a note that is long enough to be seen in the memory of a process' AS note "
                f"FROM {numbers}"
            )
        engine.dispose()
        done = subprocess.run(
            [sys.executable, "-c", READER, url], capture_output=True, text=True, check=True
        )
        read_rows, peak = map(int, done.stdout.split())
        assert read_rows == rows
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 60, f"peak memory in MB for 20,000 and 400,000 rows: {peaks}"
