"""A warehouse of every kind, holding the same leads."""

import os
from collections.abc import Generator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from tests.sources.reading import ROWS

MYSQL = os.environ.get("DIALNEXA_TEST_MYSQL_URL")
WAREHOUSES = ["duckdb", "sqlite", "postgresql", *(["mysql"] if MYSQL else [])]


@pytest.fixture
def mysql_url() -> Generator[str]:
    """The MySQL database, which other processes of the tests let alone meanwhile."""
    engine = sa.create_engine(str(MYSQL), poolclass=sa.NullPool)
    with engine.connect() as alone:
        assert alone.exec_driver_sql("SELECT GET_LOCK('dialnexa_tests', 300)").scalar() == 1
        yield str(MYSQL)


@pytest.fixture(params=WAREHOUSES)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a warehouse that holds the table `leads`."""
    urls = {
        "duckdb": lambda: f"duckdb:///{tmp_path / 'w.duckdb'}",
        "sqlite": lambda: f"sqlite:///{tmp_path / 'w.db'}",
        "postgresql": lambda: request.getfixturevalue("postgres_url"),
        "mysql": lambda: request.getfixturevalue("mysql_url"),
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
