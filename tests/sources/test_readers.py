"""Every reader gives the same text for the same data."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialnexa_pipeline.errors import SourceError
from tests.sources.readers import (
    by_sqlalchemy,
    make_url,
    only_by_adbc,
    run,
    texts_of,
)
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
