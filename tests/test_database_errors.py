"""Whoever reads about a database sees where it is and what it said, no secret and no value."""

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dialnexa_pipeline.database_errors import database_url, said, shown
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.records import WarehouseUnavailable, open_records
from dialnexa_pipeline.warehouse_engine import warehouse_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://u:hunter2@h/d?password=hunter2", "postgresql+psycopg://u:***@h/d"),
        ("duckdb:////d.db?motherduck_token=hunter2", "duckdb:////d.db"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, expected: str) -> None:
    assert shown(sa.make_url(url)) == expected


@pytest.mark.parametrize("text", ["nonsense", "", "postgresql://u:hunter2@h:port/d"])
def test_what_is_no_url_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="LEDGER is not a database URL; give for example x") as e:
        database_url(text, variable="LEDGER", examples="x")
    assert "hunter2" not in str(e.value)
    assert e.value.__cause__ is None


def test_a_missing_driver_of_the_record_tables_is_named() -> None:
    with (
        pytest.raises(
            ConfigError, match=r'Install it with `pip install "dialnexa-pipeline\[snowflake\]"`'
        ),
        open_records("snowflake://u:hunter2@account/d"),
    ):
        pass


def test_a_warehouse_that_does_not_take_the_records_is_named_without_secrets() -> None:
    with (
        pytest.raises(WarehouseUnavailable, match=r"127\.0\.0\.1:1/d does not take") as caught,
        open_records("postgresql://u@127.0.0.1:1/d?password=hunter2&connect_timeout=1"),
    ):
        pass
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO t VALUES ('priya@example.com')", "constraint violation: duplicate key '…'"),
        ("SELECT CAST(k AS INT) FROM t", "Conversion Error: Could not convert string '…'"),
        ("SELECT nothing FROM t", 'Referenced column "nothing" not found'),
    ],
)
def test_values_that_duckdb_quotes_are_not_repeated(statement: str, expected: str) -> None:
    engine = sa.create_engine("duckdb:///:memory:")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (k VARCHAR PRIMARY KEY)")
        connection.exec_driver_sql("INSERT INTO t VALUES ('priya@example.com')")
        with pytest.raises((DBAPIError, duckdb.Error)) as caught:
            connection.exec_driver_sql(statement).all()
    assert expected in said(caught.value)
    assert "priya" not in said(caught.value)


def test_the_warehouse_speaks_psycopg_unless_it_says_otherwise() -> None:
    assert warehouse_url("postgres://h/d").drivername == "postgresql+psycopg"
    assert warehouse_url("postgresql+asyncpg://h/d").drivername == "postgresql+asyncpg"
