"""ADBC reads or leaves it to SQLAlchemy, and leaves nothing open, written or told."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources import Window, adbc
from tests.sources.readers import (
    by_sqlalchemy,
    make_url,
    only_by_adbc,
    run,
    source_of,
    texts_of,
)
from tests.sources.reading import config


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_tables_are_read_by_adbc_and_a_window_is_the_same(
    dialect: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(request, dialect, tmp_path)
    run(
        url,
        "CREATE TABLE leads (id INT, phone TEXT, at TIMESTAMP, day DATE)",
        *(
            f"INSERT INTO leads VALUES ({n}, '1', '2026-01-01 {n:02}:00:00', "
            f"'2026-01-0{1 + n % 3}')"
            for n in range(24)
        ),
    )
    half_day = Window(datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 1, 1, 18, tzinfo=UTC))
    days = Window(datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 1, 2, 6, tzinfo=UTC))
    found: list[list[set[str]]] = []
    for force in (only_by_adbc, by_sqlalchemy):
        force(monkeypatch)
        found.append(
            [
                set(texts_of(config(phone="phone", updated_at=column), url, ["id"], 5, window))
                for column, window in (("at", half_day), ("day", days))
            ]
        )
        monkeypatch.undo()
    assert found[0] == found[1]
    # A window holds both of the days that it touches.
    assert found[0] == [{str(n) for n in range(6, 18)}, {str(n) for n in range(24) if n % 3 < 2}]


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_an_absent_driver_leaves_sqlalchemy(
    dialect: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(request, dialect, tmp_path)
    run(url, "CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone")
    monkeypatch.setitem(sys.modules, f"adbc_driver_{dialect}.dbapi", None)
    assert list(texts_of(config(phone="phone"), url, ["id"], 10)) == ["1"]


def test_a_url_that_only_psycopg_understands_leaves_sqlalchemy(postgres_url: str) -> None:
    run(postgres_url, "CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone")
    url = sa.make_url(postgres_url).update_query_dict({"autocommit": ""})
    text = url.render_as_string(hide_password=False)
    assert list(texts_of(config(phone="phone"), text, ["id"], 10)) == ["1"]


def test_a_sqlite_file_that_this_process_has_open_is_not_opened_by_a_second_sqlite(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    run(url, "CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone")
    assert adbc.adbc_address(sa.make_url(url)) is not None
    with (tmp_path / "w.db").open("rb"):
        assert adbc.adbc_address(sa.make_url(url)) is None
        assert list(texts_of(config(phone="phone"), url, ["id"], 10)) == ["1"]


@pytest.mark.parametrize("dialect", ["postgresql", "duckdb"])
@pytest.mark.parametrize("at", [1, 399_999])
def test_a_failure_at_any_row_repeats_no_value(
    dialect: str, at: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = make_url(request, dialect, tmp_path)
    rows = "generate_series(1, 400000)" if dialect == "postgresql" else "range(400000)"
    run(
        url,
        "CREATE TABLE leads AS SELECT n AS id, CASE WHEN n = "
        f"{at} THEN '+919876543210 \"Priya\" x' ELSE '1' END AS phone FROM {rows} AS t(n)",
    )
    query = config(
        table=None, query="SELECT id, CAST(phone AS BIGINT) AS phone FROM leads", phone="phone"
    )
    with pytest.raises(SourceError, match=r"cannot be read: .*(INT64|bigint)") as caught:
        texts_of(query, url, ["id", "phone"], 65_536)
    assert "98765" not in str(caught.value)
    assert "Priya" not in str(caught.value)
    assert "SELECT" not in str(caught.value)


def test_a_broken_connection_is_one_sentence(postgres_url: str) -> None:
    run(
        postgres_url,
        "CREATE TABLE leads AS SELECT n AS id, repeat('x', 500) AS phone"
        " FROM generate_series(1, 400000) AS t(n)",
    )
    batches = source_of(config(phone="phone"), postgres_url, ["id", "phone"], 1_000).batches()
    next(batches)
    run(
        postgres_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    with pytest.raises(SourceError, match="cannot be read"):
        list(batches)


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_a_reader_that_is_closed_early_leaves_no_connection(
    dialect: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(request, dialect, tmp_path)
    run(
        url,
        "CREATE TABLE leads AS WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t "
        "WHERE n < 300000) SELECT n AS id, '1' AS phone, 'some words more' AS v FROM t",
    )
    only_by_adbc(monkeypatch)
    batches = source_of(config(phone="phone"), url, ["id", "phone", "v"], 1_000).batches()
    next(batches)
    started = time.monotonic()
    batches.close()
    assert time.monotonic() - started < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("adbc")]
    assert dialect == "postgresql" or not adbc._open_here(tmp_path / "w.db")
    run(url, "DROP TABLE leads")


def test_a_locked_sqlite_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.db"
    run(f"sqlite:///{path}", "CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone")
    hold = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); time.sleep(float(sys.argv[2]))"
    )
    command = [sys.executable, "-c", hold, str(path)]
    # Longer than the five seconds that Python's own SQLite would wait.
    with subprocess.Popen([*command, "6"], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        only_by_adbc(monkeypatch)
        assert list(texts_of(config(phone="phone"), f"sqlite:///{path}", ["id"], 10)) == ["1"]


@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_adbc_writes_nothing(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = make_url(request, dialect, tmp_path)
    run(url, "CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone")
    address = adbc.adbc_address(sa.make_url(url))
    assert address is not None
    plan = adbc.AdbcPlan("INSERT INTO leads VALUES (2, '2')", lambda batch: batch, {})
    with pytest.raises(Exception, match=r"read-?only"), adbc.adbc_batches(address, plan) as batches:
        list(batches)
    assert list(texts_of(config(phone="phone"), url, ["id"], 10)) == ["1"]


def test_an_interrupt_stops_a_long_query_and_stays_what_it_is(postgres_url: str) -> None:
    run(postgres_url, "CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone")
    query = config(table=None, query="SELECT id, phone FROM leads, pg_sleep(60)", phone="phone")

    class Terminated(BaseException):
        pass

    def interrupted(*_: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGINT, interrupted)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    try:
        with pytest.raises(Terminated):
            texts_of(query, postgres_url, ["id", "phone"], 10)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 20
