"""Leads from a table or a read-only query, streamed as Arrow batches through SQLAlchemy."""

import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError

from dialnexa_pipeline.errors import ConfigError, SourceError
from dialnexa_pipeline.sources.arrays import batch_of
from dialnexa_pipeline.sources.config import SourceConfig, Window

_LOCK_PATIENCE = 30.0
_READ_ONLY = re.compile(r"^\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*(select|with)\b", re.I | re.S)
_READ_ONLY_TRANSACTION = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = 1",
}


class RelationSource:
    """One table or query in the warehouse; the connection lives only while batches are read."""

    def __init__(
        self,
        config: SourceConfig,
        *,
        warehouse_url: str,
        columns: Sequence[str],
        window: Window | None,
        batch_rows: int,
    ) -> None:
        self._config = config
        self._url = _url(warehouse_url)
        self._columns = list(columns)
        self._window = window
        self._batch_rows = batch_rows
        if config.query is not None:
            _refuse_writing(config.query)

    @property
    def description(self) -> str:
        relation = self._config.table or "query"
        return f"{relation} in {self._url.render_as_string(hide_password=True)}"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches whose columns are exactly the wanted ones.

        Raises:
            SourceError: the relation or a column is missing, or the warehouse does not answer.
        """
        engine = sa.create_engine(self._url, poolclass=sa.NullPool, **_arguments(self._url))
        try:
            with _connect(engine, self.description) as connection:
                self._begin_read_only(connection)
                relation = self._relation(connection)
                statement = self._select(relation, connection.dialect.name)
                if connection.dialect.name != "duckdb":
                    yield from self._read(connection, statement)
                    return
            yield from self._read_duckdb(engine.dialect, statement)
        except (DBAPIError, duckdb.Error) as error:
            raise SourceError(
                f"{self.description} cannot be read: {_said(error)}. Correct source, or mend the "
                "warehouse, and run the sync again; nothing was sent."
            ) from error
        finally:
            engine.dispose()

    def _begin_read_only(self, connection: sa.Connection) -> None:
        statement = _READ_ONLY_TRANSACTION.get(connection.dialect.name)
        if statement is not None:
            connection.execute(sa.text(statement))

    def _relation(self, connection: sa.Connection) -> sa.FromClause:
        """The relation with its columns, all of which the sync names."""
        if self._config.table is not None:
            schema, _, name = self._config.table.rpartition(".")
            try:
                found = sa.inspect(connection).get_columns(name, schema=schema or None)
            except NoSuchTableError:
                found = []
            available = [str(column["name"]) for column in found]
            if not available:
                raise SourceError(
                    f"source.table: there is no {self._config.table!r} in "
                    f"{self._url.render_as_string(hide_password=True)}. Create it, or correct the "
                    "name (schema.table)."
                )
            relation: sa.FromClause = sa.table(
                name, *(sa.column(column) for column in available), schema=schema or None
            )
        else:
            assert self._config.query is not None
            query = self._config.query.strip().rstrip(";").replace(":", r"\:")
            probe = connection.execute(sa.text(f"SELECT * FROM ({query}) AS leads WHERE 1 = 0"))
            available = list(probe.keys())
            probe.close()
            relation = (
                sa.text(query).columns(*(sa.column(name) for name in available)).subquery("leads")
            )
        wanted = [*self._columns, *([self._config.updated_at] if self._window is not None else [])]
        missing = [column for column in wanted if column not in available]
        if missing:
            raise SourceError(
                f"The source {self._config.table or 'query'} has no column "
                f"{', '.join(repr(column) for column in missing)}; its columns are "
                f"{', '.join(available)}. Correct the sync's source or variables."
            )
        return relation

    def _select(self, relation: sa.FromClause, dialect: str) -> sa.Select[Any]:
        text = sa.CHAR if dialect in {"mysql", "mariadb"} else sa.Text
        as_text = {self._config.key, self._config.phone}
        chosen = [
            sa.cast(relation.c[name], text).label(name)
            if name in as_text
            else relation.c[name].label(name)
            for name in self._columns
        ]
        statement = sa.select(*chosen)
        if self._window is not None:
            assert self._config.updated_at is not None
            moment = relation.c[self._config.updated_at]
            start, end = self._window.start, self._window.end
            if dialect in {"sqlite", "mysql", "mariadb", "duckdb"}:
                # These keep moments without a zone, which we read as UTC.
                start = start.astimezone(UTC).replace(tzinfo=None)
                end = end.astimezone(UTC).replace(tzinfo=None)
            bounds = (start, end)
            if dialect == "sqlite":
                bounds = (str(start), str(end))
            statement = statement.where(moment >= bounds[0], moment < bounds[1])
        return statement

    def _read(
        self, connection: sa.Connection, statement: sa.Select[Any]
    ) -> Iterator[pa.RecordBatch]:
        streamed = connection.execution_options(
            stream_results=True, max_row_buffer=self._batch_rows
        ).execute(statement)
        schema: pa.Schema | None = None
        for rows in streamed.partitions(self._batch_rows):
            batch = batch_of(self._columns, rows, schema)
            schema = batch.schema
            yield batch

    def _read_duckdb(
        self, dialect: sa.Dialect, statement: sa.Select[Any]
    ) -> Iterator[pa.RecordBatch]:
        """DuckDB's own Arrow reader, on a read-only handle: rows never become objects."""
        sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        with duckdb.connect(str(self._url.database), read_only=True) as native:
            yield from native.sql(sql).to_arrow_reader(self._batch_rows)


def _url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except ArgumentError as error:
        raise ConfigError(
            "DIALNEXA_WAREHOUSE_URL is not a SQLAlchemy URL; give for example "
            "duckdb:///warehouse.duckdb or postgresql+psycopg://user:password@host/database."
        ) from error
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername="postgresql+psycopg")
    return url


def _arguments(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "duckdb":
        return {"connect_args": {"read_only": True}}
    return {}


def _connect(engine: sa.Engine, description: str) -> sa.Connection:
    url = engine.url
    if url.get_backend_name() in {"duckdb", "sqlite"} and not Path(url.database or "").exists():
        raise SourceError(
            f"{description} cannot be read: the file {url.database} does not exist. Check "
            "DIALNEXA_WAREHOUSE_URL, or build the warehouse first."
        )
    deadline = time.monotonic() + _LOCK_PATIENCE
    delay = 0.05
    while True:
        try:
            return engine.connect()
        except NoSuchModuleError as error:
            raise ConfigError(f"DIALNEXA_WAREHOUSE_URL: {error}") from error
        except (DBAPIError, duckdb.Error) as error:
            if "lock" not in str(error).lower() or time.monotonic() > deadline:
                raise SourceError(
                    f"{description} cannot be reached: {_said(error)}. Check "
                    "DIALNEXA_WAREHOUSE_URL, and that no other process holds the file."
                ) from error
            time.sleep(delay)
            delay = min(delay * 2, 1.0)


def _refuse_writing(query: str) -> None:
    inner = query.strip().rstrip(";")
    if not _READ_ONLY.match(inner) or ";" in re.sub(r"'(?:[^']|'')*'", "", inner):
        raise SourceError(
            "source.query must be one SELECT (or WITH … SELECT) statement; it is run read-only. "
            "Move anything else into the warehouse's own models."
        )


def _said(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
