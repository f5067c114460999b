"""Every reader gives the same text for the same data, and leaves nothing open or written."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.leads import text_of
from dialnexa_pipeline.sources import SourceConfig, Window, adbc, open_source, relation
from tests.sources.reading import config

LARGE = "9223372036854775807"
# Text: the expression in PostgreSQL, in DuckDB and in SQLite; None where the database has no such.
VALUES: dict[str, tuple[str | None, str | None, str | None, str | None]] = {
    "small": ("7", "7::int2", "7::int2", "7"),
    "large": (LARGE, LARGE, f"{LARGE}::bigint", LARGE),
    "exact": ("10.50", "10.50::numeric(10,2)", "10.50::decimal(10,2)", "'10.50'"),
    "scales": ("0.1000", "0.1000::numeric", "0.1000::decimal(10,4)", "'0.1000'"),
    "double": ("0.30000000000000004",) + ("0.30000000000000004::float8",) * 2 + ("0.1 + 0.2",),
    "whole": ("500000", "500000::float8", "500000::double", "500000.0"),
    "vast": ("100000000000000000000", "1e20::float8", "1e20::double", "1e20"),
    "tiny": ("0.0000001", "1e-7::float8", "1e-7::double", "1e-7"),
    "single": ("0.1", "0.1::float4", "0.1::float", "0.1"),
    "endless": ("Infinity", "'inf'::float8", "'inf'::double", "9e999"),
    "not_a": (None, "'nan'::float8", "'nan'::double", "NULL"),
    "flag": ("true", "true", "true", None),
    "day": ("2026-01-02", "date '2026-01-02'", "date '2026-01-02'", "'2026-01-02'"),
    "moment": ("2026-01-02T03:04:05.500000",)
    + ("timestamp '2026-01-02 03:04:05.5'",) * 2
    + ("'2026-01-02T03:04:05.500000'",),
    "zoned": ("2026-01-01T21:34:05Z",)
    + ("timestamptz '2026-01-02 03:04:05+05:30'",) * 2
    + ("'2026-01-01T21:34:05Z'",),
    "hour": ("09:30:00", "time '09:30:00'", "time '09:30:00'", "'09:30:00'"),
    "bytes": ("01ff", r"'\x01ff'::bytea", r"'\x01\xff'::blob", "x'01ff'"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000",)
    + ("'123E4567-e89b-12d3-a456-426614174000'::uuid",) * 2
    + ("'123e4567-e89b-12d3-a456-426614174000'",),
    "json": ('{"a": [1, null]}',)
    + ("""'{"a": [1, null]}'::json""",) * 2
    + ("""'{"a": [1, null]}'""",),
    "jsonb": ('{"a": 1}', """'{"a":1}'::jsonb""", """'{"a": 1}'::json""", """'{"a": 1}'"""),
    "padded": ("ab   ", "'ab'::char(5)", "'ab   '", "'ab   '"),
    "mood": ("good", "'good'::mood", "'good'::mood", "'good'"),
    "words": ("प्रिया 🙂 'x'%",) + ("'प्रिया 🙂 ''x''%'",) * 3,
    "empty": ("", "''", "''", "''"),
    "nul": ("a\0b", None, "'a'||chr(0)||'b'", "'a'||char(0)||'b'"),
    "none": (None, "null::text", "null", "null"),
}
DIALECTS = ["postgresql", "duckdb", "sqlite"]


@pytest.fixture(params=DIALECTS)
def kinds(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str | None]]:
    """URL of a warehouse with a row of every kind between two of nulls; the texts of that row."""
    url = make_url(request, request.param, tmp_path)
    place = 1 + DIALECTS.index(request.param)
    forms = {name: value[place] for name, value in VALUES.items() if value[place] is not None}
    columns = ", ".join(f"{form} AS {name}" for name, form in forms.items())
    nulls = ", ".join("NULL" for _ in forms)
    mood = [] if request.param == "sqlite" else ["CREATE TYPE mood AS ENUM ('good', 'bad')"]
    run(
        url,
        *mood,
        f"CREATE TABLE leads AS SELECT 1 AS id, 9876543210 AS phone, {columns}",
        f"INSERT INTO leads SELECT 0, NULL, {nulls}",
        f"INSERT INTO leads SELECT 2, NULL, {nulls}",
    )
    return url, {name: VALUES[name][0] for name in forms}


@pytest.mark.parametrize("as_query", [False, True])
@pytest.mark.parametrize("batch_rows", [1, 65_536])
def test_every_reader_gives_the_same_text(
    kinds: tuple[str, dict[str, str | None]],
    batch_rows: int,
    as_query: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, texts = kinds
    source = (
        config(table=None, query="SELECT * FROM leads", phone="phone")
        if as_query
        else config(phone="phone")
    )
    columns = ["id", "phone", *texts]
    fast = texts_of(source, url, columns, batch_rows)
    assert fast["1"] == {"id": "1", "phone": "9876543210", **texts}
    for key in ("0", "2"):
        assert fast[key] == {**dict.fromkeys(columns), "id": key}
    by_sqlalchemy(monkeypatch)
    assert texts_of(source, url, columns, batch_rows) == fast


def test_a_sqlite_column_may_change_its_type_at_any_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    run(url, 'CREATE TABLE leads (id REAL, phone, "a b" INTEGER, plain, name VARCHAR(9), t REAL)')
    values: list[Any] = [1, 2, 2.5, "text", b"\xff", "a\0b", None, 1e20, 3.0, -0.0, 2**63 - 1, ""]
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for n in range(4_000):
            value = values[max(0, n - 3_900) % len(values)]
            connection.exec_driver_sql(
                "INSERT INTO leads VALUES (?, ?, ?, ?, ?, ?)",
                (n + 0.1, value if value is not None and value != b"\xff" else n, *[value] * 4),
            )
    engine.dispose()
    columns = ["id", "phone", "a b", "plain", "name", "t"]
    only_by_adbc(monkeypatch)
    fast = texts_of(config(phone="phone"), url, columns, 1_000)
    assert len(fast) == 4_000
    assert [fast[f"{n}.1"]["plain"] for n in range(3_900, 3_912)] == [
        *["1", "2", "2.5", "text", "ff", "a\0b", None, "100000000000000000000", "3", "-0"],
        *["9223372036854775807", ""],
    ]
    monkeypatch.undo()
    by_sqlalchemy(monkeypatch)
    assert texts_of(config(phone="phone"), url, columns, 1_000) == fast


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
    assert found[0] == [{str(n) for n in range(6, 18)}, {str(n) for n in range(24) if n % 3 == 1}]


@pytest.mark.parametrize(
    ("kind", "value"), [("inet", "'10.0.0.1'"), ("int[]", "'{1,2}'"), ("interval", "'1 day'")]
)
def test_what_has_no_clean_arrow_form_is_read_by_sqlalchemy(
    kind: str, value: str, postgres_url: str
) -> None:
    run(postgres_url, f"CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone, {value}::{kind} AS v")
    source = config(phone="phone")
    expected = {"inet": "10.0.0.1", "int[]": "[1, 2]", "interval": "1 day, 0:00:00"}[kind]
    assert texts_of(source, postgres_url, ["id", "v"], 10) == {"1": {"id": "1", "v": expected}}


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


@pytest.mark.parametrize("value", ["infinity", "-infinity", "10000-01-01", "0044-03-15 BC"])
@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
@pytest.mark.parametrize("dialect", ["postgresql", "duckdb"])
def test_a_moment_outside_the_calendar_is_refused_not_garbled(
    dialect: str, kind: str, value: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = make_url(request, dialect, tmp_path)
    text = value.replace("BC", "(BC)") if dialect == "duckdb" else value
    run(url, f"CREATE TABLE leads AS SELECT 1 AS id, '1' AS phone, {kind} '{text}' AS v")
    with pytest.raises(SourceError, match="'v' holds a date that is infinite or outside the years"):
        texts_of(config(phone="phone"), url, ["id", "v"], 10)


def test_text_that_is_not_utf8_is_one_sentence_without_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    run(url, "CREATE TABLE leads (id, phone, v)")
    run(url, "INSERT INTO leads VALUES (1, '1', CAST(x'5072697961ff' AS TEXT))")
    only_by_adbc(monkeypatch)
    with pytest.raises(SourceError, match="'v' holds text that is not UTF-8"):
        texts_of(config(phone="phone"), url, ["id", "v"], 10)
    monkeypatch.undo()
    by_sqlalchemy(monkeypatch)
    with pytest.raises(SourceError, match="Could not decode to UTF-8") as caught:
        texts_of(config(phone="phone"), url, ["id", "v"], 10)
    assert "Priya" not in str(caught.value)


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


def make_url(request: pytest.FixtureRequest, dialect: str, folder: Path) -> str:
    makers: dict[str, Callable[[], str]] = {
        "postgresql": lambda: request.getfixturevalue("postgres_url"),
        "duckdb": lambda: f"duckdb:///{folder / 'w.duckdb'}",
        "sqlite": lambda: f"sqlite:///{folder / 'w.db'}",
    }
    return makers[dialect]()


def source_of(
    source: SourceConfig,
    url: str,
    columns: list[str],
    batch_rows: int,
    window: Window | None = None,
) -> Any:
    return open_source(
        source, warehouse_url=url, columns=columns, window=window, batch_rows=batch_rows
    )


def texts_of(
    source: SourceConfig,
    url: str,
    columns: list[str],
    batch_rows: int,
    window: Window | None = None,
) -> dict[str, dict[str, str | None]]:
    """Each row's texts by its key."""
    found: dict[str, dict[str, str | None]] = {}
    for batch in source_of(source, url, columns, batch_rows, window).batches():
        assert batch.schema.names == columns
        texts = [text_of(column).to_pylist() for column in batch.columns]
        for values in zip(*texts, strict=True):
            row = dict(zip(columns, values, strict=True))
            found[row["id"]] = row
    return found


def by_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relation, "adbc_address", lambda url: None)


def only_by_adbc(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("SQLAlchemy was asked for rows")

    monkeypatch.setattr(relation.RelationSource, "_read", refuse)


def run(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(
                statement.replace("%", "%%") if "postgres" in url else statement
            )
    engine.dispose()
