"""Warehouses of each kind, and the texts that a chosen reader makes of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialnexa_pipeline.leads import text_of
from dialnexa_pipeline.sources import SourceConfig, Window, open_source, relation


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
