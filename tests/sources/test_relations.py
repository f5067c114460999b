"""The same leads come out of every warehouse, and each fault is one sentence."""

import traceback
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources import SourceConfig, Window, open_source
from tests.sources.reading import ROWS, config, read


def test_every_row_is_read_in_batches_with_key_and_phone_as_text(warehouse: str) -> None:
    source = open_source(
        config(), warehouse_url=warehouse, columns=["id", "Mobile No", "name"], batch_rows=1_000
    )
    batches = list(source.batches())
    table = pa.Table.from_batches(batches)
    assert max(batch.num_rows for batch in batches) <= 2_048
    assert table.num_rows == ROWS
    by_key = {row["id"]: row for row in table.to_pylist()}
    assert by_key["1"]["Mobile No"] == "9800000001"
    assert by_key["7"]["Mobile No"] is None
    assert by_key["1"]["name"] == "प्रिया 🙂 1"


def test_a_query_is_a_source_too(warehouse: str) -> None:
    query = config(
        table=None, query="SELECT id, name AS n, name AS phone FROM leads", phone="phone"
    )
    assert read(query, warehouse, ["id", "phone", "n"]).num_rows == ROWS


def test_a_window_is_half_open(warehouse: str) -> None:
    day = Window(datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, 12, tzinfo=UTC))
    expected = len([n for n in range(ROWS) if n % 3 == 0])
    assert read(config(), warehouse, ["id"], day).num_rows == expected


def test_a_missing_column_is_named_with_the_choices(warehouse: str) -> None:
    with pytest.raises(SourceError, match=r"'city'.*Mobile No, name"):
        read(config(), warehouse, ["id", "city"])


def test_a_missing_table_is_named(warehouse: str) -> None:
    with pytest.raises(SourceError, match="nothing_here"):
        read(config(table="nothing_here"), warehouse, ["id"])


@pytest.mark.parametrize(
    "query", ["DELETE FROM leads", "SELECT 1; DROP TABLE leads", "WITH x AS (SELECT 1) DELETE"]
)
def test_a_query_that_writes_changes_nothing(warehouse: str, query: str) -> None:
    with pytest.raises(SourceError):
        read(config(table=None, query=query), warehouse, ["id"])
    assert read(config(), warehouse, ["id"]).num_rows == ROWS


def test_a_warehouse_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    for url in (f"duckdb:///{tmp_path / 'no.duckdb'}", "postgresql://u:secret@127.0.0.1:1/x"):
        with pytest.raises(SourceError, match="DIALNEXA_WAREHOUSE_URL") as caught:
            read(config(), url, ["id"])
        assert "secret" not in str(caught.value)


def test_exactly_one_relation_is_named() -> None:
    with pytest.raises(ValidationError, match="exactly one of table, query and file"):
        SourceConfig(table="a", query="select 1", key="id", phone="p")


def test_the_schema_stays_the_same_when_a_column_begins_with_nulls(warehouse: str) -> None:
    engine = sa.create_engine(warehouse)
    kinds = {
        "whole": (sa.Integer, 7),
        "share": (sa.Numeric(10, 2), Decimal("10.50")),
        "day": (sa.Date, date(2026, 1, 2)),
        "ready": (sa.Boolean, True),
        "note": (sa.Text, "x"),
    }
    table = sa.Table(
        "kinds",
        sa.MetaData(),
        sa.Column("id", sa.Integer),
        sa.Column("phone", sa.String(20)),
        *(sa.Column(name, kind) for name, (kind, _) in kinds.items()),
    )
    values = {name: value for name, (_, value) in kinds.items()}
    with engine.begin() as connection:
        table.drop(connection, checkfirst=True)
        table.create(connection)
        connection.execute(sa.insert(table), [{"id": n} for n in range(5)])
        connection.execute(sa.insert(table), [{"id": n, **values} for n in range(5, 9)])
    engine.dispose()
    source = open_source(
        config(table="kinds", phone="phone"),
        warehouse_url=warehouse,
        columns=["id", *kinds],
        batch_rows=4,
    )
    batches = list(source.batches())
    assert len({batch.schema for batch in batches}) == 1
    full = pa.Table.from_batches(batches).sort_by("id").to_pylist()[-1]
    assert str(full["share"]) in {"10.50", "10.5"}
    assert str(full["day"]) == "2026-01-02"
    assert str(full["whole"]) == "7"


def test_a_query_may_hold_comments_quotes_colons_and_percent_signs(warehouse: str) -> None:
    text = (
        "SELECT id, name AS phone, '12:30; :x' AS slot /* a; b */ FROM leads "
        "WHERE name LIKE 'प्रि%' -- all of them"
    )
    table = read(config(table=None, query=text, phone="phone"), warehouse, ["id", "phone", "slot"])
    assert table.num_rows == ROWS
    assert table["slot"][0].as_py() == "12:30; :x"


def test_a_query_may_begin_with_a_common_table_expression(warehouse: str) -> None:
    text = "WITH few AS (SELECT id, name AS phone FROM leads WHERE id < 10) SELECT * FROM few;"
    assert read(config(table=None, query=text, phone="phone"), warehouse, ["id"]).num_rows == 10


def test_an_empty_table_gives_no_rows(warehouse: str) -> None:
    query = config(table=None, query="SELECT id, name AS phone FROM leads WHERE 1 = 0")
    source = open_source(query, warehouse_url=warehouse, columns=["id"])
    assert sum(batch.num_rows for batch in source.batches()) == 0


def test_a_view_is_a_table_too(warehouse: str) -> None:
    execute(warehouse, "DROP VIEW IF EXISTS fresh_leads")
    execute(warehouse, "CREATE VIEW fresh_leads AS SELECT id, name AS phone FROM leads")
    view = config(table="fresh_leads", phone="phone")
    assert read(view, warehouse, ["id", "phone"]).num_rows == ROWS
    execute(warehouse, "DROP VIEW fresh_leads")


def test_the_connection_is_closed_when_reading_stops_early(warehouse: str) -> None:
    source = open_source(config(), warehouse_url=warehouse, columns=["id"], batch_rows=10)
    batches = source.batches()
    next(batches)
    batches.close()
    execute(warehouse, "DROP TABLE leads")


def test_values_of_rows_are_not_repeated_when_the_warehouse_fails(warehouse: str) -> None:
    execute(warehouse, "INSERT INTO leads (id, name) VALUES (9999999, '+919876543210 Priya')")
    kind = "SIGNED" if "mysql" in warehouse else "BIGINT"
    query = config(
        table=None, query=f"SELECT id, CAST(name AS {kind}) AS phone FROM leads", phone="phone"
    )
    if not warehouse.startswith(("duckdb", "postgresql")):
        return  # SQLite and MySQL make 0 of such text
    with pytest.raises(SourceError, match="cannot be read") as caught:
        read(query, warehouse, ["id", "phone"])
    said = "".join(traceback.format_exception(caught.value))
    assert "98765" not in said
    assert "Priya" not in str(caught.value)
    assert "प्रिया" not in said


@pytest.mark.parametrize("table", ["analytics.leads to call", "analytics.Leads"])
def test_a_table_may_stand_in_a_schema_and_need_quotes(warehouse: str, table: str) -> None:
    if not warehouse.startswith(("duckdb", "postgresql")):
        return  # SQLite and MySQL have no schemas inside a database
    execute(warehouse, "CREATE SCHEMA IF NOT EXISTS analytics")
    name = table.partition(".")[2]
    execute(warehouse, f'CREATE TABLE analytics."{name}" AS SELECT * FROM leads WHERE id < 5')
    assert read(config(table=table), warehouse, ["id", "Mobile No"]).num_rows == 5


def execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_missing_column_is_named_once(warehouse: str) -> None:
    with pytest.raises(SourceError, match="has no column 'Phone'; its columns are"):
        read(config(phone="Phone"), warehouse, ["id", "Phone"])
