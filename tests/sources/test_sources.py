"""The same leads come out of every warehouse, and each fault is one sentence."""

import os
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources import SourceConfig, Window, check_keys, open_source

ROWS = 2_500
MYSQL = os.environ.get("DIALNEXA_TEST_MYSQL_URL")
WAREHOUSES = ["duckdb", "sqlite", "postgresql", *(["mysql"] if MYSQL else [])]


@pytest.fixture(params=WAREHOUSES)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a warehouse that holds the table `leads`."""
    urls = {
        "duckdb": lambda: f"duckdb:///{tmp_path / 'w.duckdb'}",
        "sqlite": lambda: f"sqlite:///{tmp_path / 'w.db'}",
        "postgresql": lambda: request.getfixturevalue("postgres_url"),
        "mysql": lambda: MYSQL,
    }
    url = urls[request.param]()
    engine = sa.create_engine(url)
    table = sa.Table(
        "leads",
        sa.MetaData(),
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("Mobile No", sa.BigInteger),
        sa.Column("name", sa.String(100)),
        sa.Column("updated_at", sa.DateTime),
        mysql_charset="utf8mb4",
    )
    with engine.begin() as connection:
        table.drop(connection, checkfirst=True)
        table.create(connection)
        rows = [
            {
                "id": n,
                "Mobile No": 9800000000 + n if n % 7 else None,
                "name": f"प्रिया 🙂 {n}",
                "updated_at": datetime(2026, 1, 1 + n % 3, 12),  # noqa: DTZ001  (stored without zone)
            }
            for n in range(ROWS)
        ]
        if request.param == "duckdb":
            frame = pa.Table.from_pylist(rows)
            native = connection.connection.driver_connection
            native.register("incoming", frame)
            connection.exec_driver_sql("INSERT INTO leads SELECT * FROM incoming")
        else:
            connection.execute(sa.insert(table), rows)
    engine.dispose()
    return url


def config(**changes: object) -> SourceConfig:
    given = {"table": "leads", "key": "id", "phone": "Mobile No", "updated_at": "updated_at"}
    return SourceConfig.model_validate({**given, **changes})


def read(
    source_config: SourceConfig, url: str, columns: list[str], window: Window | None = None
) -> pa.Table:
    source = open_source(
        source_config, warehouse_url=url, columns=columns, window=window, batch_rows=1_000
    )
    return pa.Table.from_batches(list(source.batches()))


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


def test_a_csv_file_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text('id,phone,name\n1,00123,"a,\nb"\n2,+91,\n', encoding="utf-8-sig")
    table = read(config(table=None, file=str(path), phone="phone"), "", ["id", "phone", "name"])
    assert table.to_pylist() == [
        {"id": "1", "phone": "00123", "name": "a,\nb"},
        {"id": "2", "phone": "+91", "name": ""},
    ]


def test_a_csv_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"id,phone\n1,2\n3,M\xfcller\n")
    with pytest.raises(SourceError, match="not UTF-8: line 3"):
        read(config(table=None, file=str(path), phone="phone"), "", ["id", "phone"])


def test_an_xlsx_file_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "leads.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["id", "phone"])
    book.active.append([1, 9876543210.0])
    book.save(path)
    source = config(table=None, file=str(path), phone="phone")
    assert read(source, "", ["id", "phone"]).to_pylist() == [{"id": "1", "phone": "9876543210"}]
    path.write_bytes(b"this is no workbook")
    with pytest.raises(SourceError, match="cannot be read as an XLSX workbook"):
        read(source, "", ["id", "phone"])


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
