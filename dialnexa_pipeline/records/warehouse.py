"""Writing to the warehouse: whole rows replaced by key, in one transaction."""

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from dialnexa_pipeline.errors import ConfigError, DialNexaError
from dialnexa_pipeline.records.tables import record_tables

_LOCK_PATIENCE = 60.0
_CHUNK = 5_000


class WarehouseUnavailable(DialNexaError):
    """The warehouse does not take the records; the ledger keeps them until it does."""


class RecordWriter:
    """One transaction on the record tables."""

    def __init__(self, connection: sa.Connection, schema: str | None) -> None:
        self._connection = connection
        self._tables = record_tables(schema)
        self._is_duckdb = connection.dialect.name == "duckdb"
        self._tables.create_all(connection)

    def replace(self, table: str, rows: Iterable[object]) -> int:
        """Write rows with the attributes of `table`, each in place of the row with the same key."""
        target = self._tables.tables[
            f"{self._tables.schema}.{table}" if self._tables.schema else table
        ]
        values_of = attrgetter(*target.columns.keys())
        written = 0
        piece: list[tuple[Any, ...]] = []
        for row in rows:
            piece.append(values_of(row))
            if len(piece) == _CHUNK:
                written += self._replace(target, piece)
                piece = []
        if piece:
            written += self._replace(target, piece)
        return written

    def _replace(self, target: sa.Table, rows: list[tuple[Any, ...]]) -> int:
        names = [column.name for column in target.columns]
        keys = [column.name for column in target.primary_key.columns]
        if self._is_duckdb:
            self._replace_in_duckdb(target, names, keys, rows)
            return len(rows)
        records = [dict(zip(names, row, strict=True)) for row in rows]
        condition = sa.and_(*(target.c[key] == sa.bindparam(f"key_{key}") for key in keys))
        self._connection.execute(
            sa.delete(target).where(condition),
            [{f"key_{key}": record[key] for key in keys} for record in records],
        )
        self._connection.execute(sa.insert(target), records)
        return len(rows)

    def _replace_in_duckdb(
        self, target: sa.Table, names: list[str], keys: list[str], rows: list[tuple[Any, ...]]
    ) -> None:
        # One Arrow table instead of executemany, which costs DuckDB a millisecond a row.
        arrow = pa.table(
            {
                name: pa.array(list(values), _arrow_type(target.c[name]))
                for name, values in zip(names, zip(*rows, strict=True), strict=True)
            }
        )
        preparer = self._connection.dialect.identifier_preparer
        into = preparer.format_table(target)
        same = " AND ".join(
            f"{into}.{preparer.quote(key)} = incoming.{preparer.quote(key)}" for key in keys
        )
        columns = ", ".join(preparer.quote(name) for name in names)
        # The SQLAlchemy dialect hands unknown attributes on to DuckDB's own connection.
        native: Any = self._connection.connection.driver_connection
        native.register("incoming", arrow)
        try:
            self._connection.exec_driver_sql(f"DELETE FROM {into} USING incoming WHERE {same}")
            self._connection.exec_driver_sql(
                f"INSERT INTO {into} ({columns}) SELECT {columns} FROM incoming"
            )
        finally:
            native.unregister("incoming")


@contextmanager
def open_records(url: str, schema: str | None = None) -> Generator[RecordWriter]:
    """One transaction on the warehouse's record tables, which are made when missing.

    A DuckDB file takes one process at a time, so a lock is waited for up to a minute.

    Raises:
        ConfigError: the URL is not a SQLAlchemy URL.
        WarehouseUnavailable: the warehouse cannot be reached or stays locked.
    """
    engine = _engine(url)
    try:
        connection = _connect(engine)
        with connection, connection.begin():
            yield RecordWriter(connection, schema)
    except DBAPIError as error:
        raise _unavailable(engine, error) from error
    finally:
        engine.dispose()


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "DIALNEXA_WAREHOUSE_URL is not a SQLAlchemy URL; give for example "
            "duckdb:///warehouse.duckdb or postgresql+psycopg://user:password@host/database."
        ) from error
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() in {"duckdb", "sqlite"} and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    return sa.create_engine(parsed, poolclass=sa.NullPool)


def _connect(engine: sa.Engine) -> sa.Connection:
    deadline = time.monotonic() + _LOCK_PATIENCE
    delay = 0.05
    while True:
        try:
            return engine.connect()
        except (DBAPIError, duckdb.IOException) as error:
            if "lock" not in str(error).lower() or time.monotonic() > deadline:
                raise _unavailable(engine, error) from error
            time.sleep(delay)
            delay = min(delay * 2, 1.0)


def _unavailable(engine: sa.Engine, error: Exception) -> WarehouseUnavailable:
    shown = engine.url.render_as_string(hide_password=True)
    said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return WarehouseUnavailable(
        f"The warehouse at {shown} does not take the records: {said}. The ledger keeps them; mend "
        "the warehouse and run the sync again."
    )


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    kind = column.type.python_type
    if kind is datetime:
        return pa.timestamp("us", tz="UTC")
    return pa.int64() if kind is int else pa.string()
