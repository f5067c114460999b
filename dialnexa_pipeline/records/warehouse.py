"""The warehouse's record tables: rows written and read while nobody else writes to them."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError

from dialnexa_pipeline.ahead import ahead
from dialnexa_pipeline.database_errors import said, shown
from dialnexa_pipeline.duckdb_arrow import QUIET
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.records.copying import Piece, copy_pieces, copy_side_by_side
from dialnexa_pipeline.records.duckdb_rows import (
    LOADED_ROWS,
    load_pieces,
    read_rows,
    remake_rows,
    write_rows,
)
from dialnexa_pipeline.records.tables import record_tables
from dialnexa_pipeline.warehouse_engine import warehouse_engine, warehouse_url

_LOCK_PATIENCE = 60.0
_MYSQL = ("mysql", "mariadb")
_CHUNK = 20_000
UNKNOWN_KIND = "unknown"


class WarehouseUnavailable(DialNexaError):
    """The warehouse does not take the records; the ledger keeps them until it does."""


class RecordTables:
    """One transaction on the record tables."""

    def __init__(self, connection: sa.Connection, schema: str | None) -> None:
        self._connection = connection
        self._tables = record_tables(schema)
        self._dialect = connection.dialect.name

    def replace(self, table: str, rows: pa.Table) -> int:
        """Write rows with the columns of `table`, each in place of the row with the same key."""
        target = self._target(table)
        return self._write(target, rows, replacing=True)

    def replace_all(self, table: str, made: Generator[pa.Table]) -> int:
        """As `replace`, while the next rows are made in another thread; no key may come twice.

        Into PostgreSQL many rows go in two transactions, into DuckDB in one after another, and this
        one ends last. If it fails, some rows may be there already: whoever repeats it replaces
        them.
        """
        target = self._target(table)
        if self._dialect == "duckdb":
            with ahead(_pieces(target, made, LOADED_ROWS), name="reading") as rows:
                return load_pieces(self._connection, target, rows)
        pieces = _pieces(target, made, _CHUNK)
        if self._dialect == "postgresql":
            with ahead((Piece.of(each) for each in pieces), name="reading") as spelled:
                return copy_side_by_side(self._connection, target, spelled)
        with ahead(pieces, name="reading") as rows:
            return self._write_pieces(target, rows, replacing=True)

    def add(self, table: str, rows: pa.Table) -> int:
        """Write rows with the columns of `table`, whose keys it does not hold yet."""
        target = self._target(table)
        return self._write(target, rows, replacing=False)

    def remake(self, table: str, sync: str, made: Iterable[pa.Table]) -> Iterator[int]:
        """Let the rows of a sync be these and no others; gives how many are written by now.

        The next rows are made in another thread. In DuckDB this takes one transaction after
        another, so that a reader may see old rows beside new ones; a row that stays is always
        there.
        """
        target = self._target(table)
        if self._dialect == "duckdb":
            with ahead(_pieces(target, made, LOADED_ROWS), name="reading") as pieces:
                yield from remake_rows(self._connection, target, sync, pieces)
            return
        self._connection.execute(sa.delete(target).where(target.c.sync == sync))
        written = 0
        with ahead(_pieces(target, made, _CHUNK), name="reading") as pieces:
            for piece in pieces:
                written += self._write(target, piece, replacing=False)
                yield written

    def read(self, table: str, sync: str) -> Iterator[pa.Table]:
        """Rows of a sync, in pieces of bounded size."""
        target = self._target(table)
        yield from self._read(target, sa.select(target).where(target.c.sync == sync))

    def read_newest_progress(self, sync: str) -> Iterator[pa.Table]:
        """The newest change of each lead of a sync, in pieces of bounded size."""
        changes = self._target("dialnexa_lead_progress")
        newest = (
            sa.select(changes.c.enrolment_ref, sa.func.max(changes.c.change_no).label("change_no"))
            .where(changes.c.sync == sync)
            .group_by(changes.c.enrolment_ref)
            .subquery()
        )
        is_newest = sa.and_(
            changes.c.enrolment_ref == newest.c.enrolment_ref,
            changes.c.change_no == newest.c.change_no,
        )
        yield from self._read(changes, sa.select(changes).join(newest, is_newest))

    def _read(self, target: sa.Table, statement: sa.Select[Any]) -> Iterator[pa.Table]:
        """Rows of a select of all columns of a table, moments in UTC."""
        if self._dialect == "duckdb":
            schema = arrow_of(target, []).schema
            yield from (rows.cast(schema) for rows in read_rows(self._connection, statement))
            return
        result = self._connection.execute(statement, execution_options={"yield_per": _CHUNK})
        for piece in result.partitions():
            yield arrow_of(target, [tuple(row) for row in piece])

    def count(
        self,
        table: str,
        sync: str,
        by: Callable[[sa.Table], sa.ColumnElement[str]],
        kinds: Sequence[str],
    ) -> dict[str, int]:
        """Rows of a sync by what `by` makes of them; those of none of the kinds as `UNKNOWN_KIND`.

        A GROUP BY would sort all rows where the server knows nothing of a new table.
        """
        target = self._target(table)
        of_sync = sa.select(by(target).label("kind")).where(target.c.sync == sync).subquery()
        counts = [sa.func.count(sa.case((of_sync.c.kind == kind, 1))) for kind in kinds]
        row = self._connection.execute(sa.select(sa.func.count(), *counts).select_from(of_sync))
        rows, *found = map(int, row.one())
        counted = {**dict(zip(kinds, found, strict=True)), UNKNOWN_KIND: rows - sum(found)}
        return {kind: number for kind, number in counted.items() if number}

    def add_up(
        self, table: str, sync: str, names: Sequence[str], **equal_to: str
    ) -> dict[str, int]:
        """The sums of some columns over rows of a sync; 0 where there are none.

        Args:
            equal_to: column → value that the rows have in it.
        """
        target = self._target(table)
        sums = [sa.func.coalesce(sa.func.sum(target.c[name]), 0) for name in names]
        conditions = [target.c[name] == value for name, value in equal_to.items()]
        statement = sa.select(*sums).where(target.c.sync == sync, *conditions)
        row = self._connection.execute(statement).one()
        return dict(zip(names, map(int, row), strict=True))

    def require_writable(self) -> None:
        """Ask a server for the rights that writing needs; no row is written."""
        if self._dialect not in {"postgresql", *_MYSQL}:
            return
        for table in self._tables.tables.values():
            nothing = sa.select(*table.columns).where(sa.false())
            self._connection.execute(sa.insert(table).from_select(table.columns.keys(), nothing))
            self._connection.execute(sa.delete(table).where(sa.false()))

    def _target(self, table: str) -> sa.Table:
        schema = self._tables.schema
        return self._tables.tables[f"{schema}.{table}" if schema else table]

    def _write(self, target: sa.Table, rows: pa.Table, *, replacing: bool) -> int:
        if self._dialect == "duckdb":
            write_rows(
                self._connection, target, rows.select(target.columns.keys()), replacing=replacing
            )
            return rows.num_rows
        pieces = _pieces(target, [rows], _CHUNK)
        if self._dialect == "postgresql":
            spelled = map(Piece.of, pieces)
            return copy_pieces(self._connection, target, spelled, replacing=replacing)
        return self._write_pieces(target, pieces, replacing=replacing)

    def _write_pieces(
        self, target: sa.Table, pieces: Iterable[pa.Table], *, replacing: bool
    ) -> int:
        written = 0
        for piece in pieces:
            self._write_rows(target, piece, replacing=replacing)
            written += piece.num_rows
        return written

    def _write_rows(self, target: sa.Table, rows: pa.Table, *, replacing: bool) -> None:
        keys = [column.name for column in target.primary_key.columns]
        records = rows.to_pylist()
        insert = sa.insert(target)
        if replacing and self._dialect == "sqlite":
            insert = insert.prefix_with("OR REPLACE")
        elif replacing and self._dialect in _MYSQL:
            merge = mysql.insert(target)
            insert = merge.on_duplicate_key_update(dict(merge.inserted.items()))
        elif replacing:
            condition = sa.and_(*(target.c[key] == sa.bindparam(f"key_{key}") for key in keys))
            self._connection.execute(
                sa.delete(target).where(condition),
                [{f"key_{key}": record[key] for key in keys} for record in records],
            )
        self._connection.execute(insert, records)


def arrow_rows(table: str, rows: Iterable[object]) -> pa.Table:
    """Objects with the attributes of a record table as Arrow."""
    target = record_tables().tables[table]
    return arrow_of(target, list(map(attrgetter(*target.columns.keys()), rows)))


def arrow_of(target: sa.Table, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Rows of a record table as Arrow, moments in UTC."""
    values = zip(*rows, strict=True) if rows else [()] * len(target.columns)
    return pa.table(
        {
            column.name: pa.array(list(of_column), _arrow_type(column))
            for column, of_column in zip(target.columns, values, strict=True)
        }
    )


def _pieces(target: sa.Table, tables: Iterable[pa.Table], size: int) -> Generator[pa.Table]:
    """The columns of a record table, in pieces of one size: a statement for fewer rows is dear."""
    names = target.columns.keys()
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        rows = table.select(names)
        while count + rows.num_rows >= size:
            missing = size - count
            yield pa.concat_tables([*waiting, rows.slice(0, missing)])
            rows = rows.slice(missing)
            waiting, count = [], 0
        if rows.num_rows:
            waiting.append(rows)
            count += rows.num_rows
    if waiting:
        yield pa.concat_tables(waiting)


@contextmanager
def open_records(url: str, schema: str | None = None) -> Generator[RecordTables]:
    """One transaction on the warehouse's record tables, which are made when missing.

    A DuckDB file takes one process at a time, so a lock is waited for up to a minute.

    Raises:
        ConfigError: the URL is none, or no driver for it is installed.
        WarehouseUnavailable: the warehouse cannot be reached or stays locked.
    """
    engine = _engine(url)
    try:
        connection = _connect(engine)
        with connection:
            _make_missing(connection, schema)
            with connection.begin():
                _hold_alone(connection)
                yield RecordTables(connection, schema)
    except DBAPIError as error:
        # The driver's own words may quote a row.
        raise _unavailable(engine, error) from None
    finally:
        engine.dispose()


def require_writable(url: str) -> None:
    """Make sure that there are record tables which take rows, before there is a row for them.

    Raises:
        ConfigError: the URL is none, or no driver for it is installed.
        WarehouseUnavailable: the warehouse cannot be reached, stays locked or refuses to write.
    """
    with open_records(url) as records:
        records.require_writable()


def _hold_alone(connection: sa.Connection) -> None:
    """One writer of record tables at a time; a DuckDB file has only one process anyway."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        case "postgresql":
            connection.exec_driver_sql(
                "SELECT pg_advisory_xact_lock(hashtextextended('dialnexa_records', 0))"
            )
        case "mysql" | "mariadb":
            # Released with the connection.
            question = f"SELECT GET_LOCK('dialnexa_records', {_LOCK_PATIENCE:.0f})"
            if connection.exec_driver_sql(question).scalar() != 1:
                raise WarehouseUnavailable(
                    f"The warehouse at {shown(connection.engine.url)} does not take the records: "
                    f"another run has held them for {_LOCK_PATIENCE:.0f} seconds. The ledger keeps "
                    "them; run this again when it is over."
                )
        case _:
            pass


def _make_missing(connection: sa.Connection, schema: str | None) -> None:
    """Make the tables in a transaction of their own, for a second connection to see them."""
    tables = record_tables(schema)
    with connection.begin():
        # One question for all of them: some dialects take a millisecond for each.
        there = set(sa.inspect(connection).get_table_names(schema))
    if any(table.name not in there for table in tables.tables.values()):
        with connection.begin():
            _hold_alone(connection)
            tables.create_all(connection)


def _engine(url: str) -> sa.Engine:
    parsed = warehouse_url(url)
    if parsed.get_backend_name() in {"duckdb", "sqlite"} and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    waiting = {"timeout": _LOCK_PATIENCE} if parsed.get_backend_name() == "sqlite" else {}
    engine = warehouse_engine(parsed, waiting)
    if engine.dialect.name == "duckdb":
        event.listen(engine, "connect", _quieten)
    return engine


def _quieten(connection: Any, _record: Any) -> None:
    connection.execute(QUIET)


def _connect(engine: sa.Engine) -> sa.Connection:
    deadline = time.monotonic() + _LOCK_PATIENCE
    delay = 0.05
    while True:
        try:
            return engine.connect()
        except (DBAPIError, duckdb.IOException) as error:
            if "lock" not in str(error).lower() or time.monotonic() > deadline:
                raise _unavailable(engine, error) from None
            time.sleep(delay)
            delay = min(delay * 2, 1.0)


def _unavailable(engine: sa.Engine, error: Exception) -> WarehouseUnavailable:
    return WarehouseUnavailable(
        f"The warehouse at {shown(engine.url)} does not take the records: {said(error)}. The "
        "ledger keeps them; mend the warehouse and run this again."
    )


def _arrow_type(column: sa.Column[Any]) -> pa.DataType:
    kind = column.type.python_type
    if kind is datetime:
        return pa.timestamp("us", tz="UTC")
    return pa.int64() if kind is int else pa.string()
