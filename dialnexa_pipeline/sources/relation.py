"""Leads from a table or a read-only query, streamed as Arrow batches."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.database_errors import shown
from dialnexa_pipeline.duckdb_arrow import arrow_batches
from dialnexa_pipeline.sources.adbc import (
    AdbcPlan,
    Address,
    CannotConnectError,
    adbc_address,
    adbc_batches,
)
from dialnexa_pipeline.sources.arrays import batch_of, checked
from dialnexa_pipeline.sources.config import Since, SourceConfig, Window
from dialnexa_pipeline.sources.declared import (
    declared_columns,
    refuse_lost_digits,
    refuse_no_moments,
)
from dialnexa_pipeline.sources.postgres_columns import postgres_columns, postgres_plan
from dialnexa_pipeline.sources.sqlite_columns import sqlite_plan
from dialnexa_pipeline.sources.statements import (
    count_untimely,
    moment_of,
    refuse_writing,
    relation_of,
    select_leads,
    select_newest,
)
from dialnexa_pipeline.sources.warehouse import explained, reading
from dialnexa_pipeline.warehouse_engine import warehouse_url


class RelationSource:
    """One table or query in the warehouse; the connection lives only while batches are read.

    Raises:
        ConfigError: the warehouse's URL is none.
        SourceError: the query is not one SELECT.
    """

    def __init__(
        self,
        config: SourceConfig,
        *,
        url: str,
        columns: Sequence[str],
        window: Window | Since | None,
        batch_rows: int,
    ) -> None:
        self._config = config
        self._url = warehouse_url(url)
        self._columns = list(columns)
        self._window = window
        self._batch_rows = batch_rows
        if config.query is not None:
            refuse_writing(config.query)

    @property
    def description(self) -> str:
        return f"{self._config.table or 'query'} in {shown(self._url)}"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches whose columns are exactly the wanted ones.

        Raises:
            ConfigError: no driver for the warehouse's URL is installed.
            SourceError: the relation or a column is missing, or the warehouse does not answer.
        """
        address = adbc_address(self._url)
        with reading(self._url, self.description) as connection:
            statement, fast = self._plan(connection, address)
            if connection.dialect.name == "duckdb":
                yield from self._read_duckdb(connection, statement)
                return
            if address is None or fast is None:
                yield from self._read(connection, statement)
                return
        # SQLAlchemy's connection is closed by now; two copies of SQLite must not share a file.
        try:
            with explained(self.description), adbc_batches(address, fast) as batches:
                for batch in batches:
                    yield from self._cut(fast.shape(batch))
        except CannotConnectError:
            with reading(self._url, self.description) as connection:
                yield from self._read(connection, statement)

    def newest(self, until: datetime) -> datetime | None:
        """The newest `updated_at` within the window that is not after `until`.

        Raises:
            ConfigError: no driver for the warehouse's URL is installed.
            SourceError: the relation or the column is missing, or holds no moments.
        """
        column = str(self._config.updated_at)
        with reading(self._url, self.description) as connection:
            relation = relation_of(connection, self._config, [column])
            dialect = connection.dialect.name
            declared = declared_columns(connection, self._config, relation, [column])
            refuse_no_moments(self._config, declared)
            statement = select_newest(
                relation.c[column], self._window, until, dialect, declared=declared[column]
            )
            return moment_of(connection.scalar(statement), column)

    def untimely(self) -> int:
        """How many rows have no `updated_at`, or none that is a moment.

        Raises:
            ConfigError: no driver for the warehouse's URL is installed.
            SourceError: the relation or the column is missing.
        """
        column = str(self._config.updated_at)
        with reading(self._url, self.description) as connection:
            relation = relation_of(connection, self._config, [column])
            statement = count_untimely(relation, column, connection.dialect.name)
            return int(connection.scalar(statement) or 0)

    def _plan(
        self, connection: sa.Connection, address: Address | None
    ) -> tuple[sa.Select[Any], AdbcPlan | None]:
        of_interest = [c for c in (self._config.key, self._config.phone) if c in self._columns]
        if self._window is not None and self._config.updated_at is not None:
            of_interest.append(self._config.updated_at)
        dialect = connection.dialect.name
        relation = relation_of(connection, self._config, [*self._columns, *of_interest])
        of_interest = list(dict.fromkeys(of_interest))
        declared = declared_columns(connection, self._config, relation, of_interest)
        refuse_lost_digits(self._config, declared)
        refuse_no_moments(self._config, declared)
        as_text: Collection[str] = ()
        clean = False
        if dialect == "postgresql":
            as_text, clean = postgres_columns(connection, relation, self._columns)
        statement = select_leads(
            relation,
            self._config,
            self._columns,
            self._window,
            dialect,
            declared=declared,
            as_text=as_text,
        )
        if address is None:
            return statement, None
        if dialect == "sqlite":
            return statement, sqlite_plan(
                connection, relation, self._config, statement, self._batch_rows
            )
        return statement, postgres_plan(statement) if clean else None

    def _read(
        self, connection: sa.Connection, statement: sa.Select[Any]
    ) -> Iterator[pa.RecordBatch]:
        streaming = connection.execution_options(
            stream_results=True, max_row_buffer=self._batch_rows
        )
        schema: pa.Schema | None = None
        with streaming.execute(statement) as result:
            for rows in result.partitions(self._batch_rows):
                batch = batch_of(self._columns, rows, schema)
                schema = batch.schema
                yield batch

    def _read_duckdb(
        self, connection: sa.Connection, statement: sa.Select[Any]
    ) -> Iterator[pa.RecordBatch]:
        return map(checked, arrow_batches(connection, statement, self._batch_rows))

    def _cut(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Pieces of at most the wanted size; a driver counts bytes, not rows."""
        checked(batch)
        for start in range(0, batch.num_rows, self._batch_rows):
            yield batch.slice(start, self._batch_rows)
