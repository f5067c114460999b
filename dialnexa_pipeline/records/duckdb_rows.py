"""Rows of DuckDB's record tables as Arrow; many are written in transactions of whole row groups.

What a transaction of DuckDB wrote is in memory until it ends, so one of millions of rows would take
gigabytes. And only a statement that fills row groups writes them to the file at once: the rows of
small ones are written to the log first and again by the next checkpoint.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dialnexa_pipeline.duckdb_arrow import arrow_batches

# Two row groups (DuckDB's documentation, "Storage": 122,880 rows each).
LOADED_ROWS = 2 * 122_880
_READ_ROWS = 65_536


def load_pieces(connection: sa.Connection, target: sa.Table, pieces: Iterable[pa.Table]) -> int:
    """Write rows, each in place of the row with the same key; return how many.

    Each piece is committed before the next one is written, the last one by whoever ends the
    connection's transaction.
    """
    written = 0
    for piece in _each_committed(connection, pieces):
        write_rows(connection, target, piece, replacing=True)
        written += piece.num_rows
    return written


def remake_rows(
    connection: sa.Connection, target: sa.Table, sync: str, pieces: Iterable[pa.Table]
) -> Iterator[int]:
    """Let the rows of a sync be these and no others; gives how many are written by now.

    As `load_pieces`; rows that are not among these are deleted with the last piece.
    """
    names = _Names.of(connection, target)
    of_sync = sa.select(sa.literal(1)).where(target.c.sync == sync).limit(1)
    had_rows = connection.scalar(of_sync) is not None
    # By its columns: if it were made AS an empty SELECT, DuckDB 2.0 would not find the row groups
    # that the same transaction writes to it.
    columns = [sa.Column(key.name, key.type) for key in target.primary_key.columns]
    remade = sa.Table("remade", sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    remade.create(connection)
    written = 0
    for piece in _each_committed(connection, pieces):
        write_rows(connection, target, piece, replacing=True)
        if had_rows:
            with _incoming(connection, piece):
                connection.exec_driver_sql(f"INSERT INTO remade SELECT {names.keys} FROM incoming")
        written += piece.num_rows
        yield written
    if had_rows:
        stays = f"EXISTS (SELECT 1 FROM remade WHERE {names.same_keys('remade')})"
        connection.execute(sa.delete(target).where(target.c.sync == sync, sa.text(f"NOT {stays}")))
    remade.drop(connection)


def read_rows(connection: sa.Connection, statement: sa.Select[Any]) -> Iterator[pa.Table]:
    """Rows of a select, in pieces.

    Raises:
        DBAPIError: as for a statement of SQLAlchemy's own.
    """
    try:
        for batch in arrow_batches(connection, statement, _READ_ROWS):
            yield pa.Table.from_batches([batch])
    except duckdb.Error as error:
        raise DBAPIError(str(statement), None, error) from None


def _each_committed(connection: sa.Connection, pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    for number, piece in enumerate(pieces):
        if number:
            connection.exec_driver_sql("COMMIT")
            _let_go(connection)
            connection.exec_driver_sql("BEGIN TRANSACTION")
        yield piece


def _let_go(connection: sa.Connection) -> None:
    """Bring what is committed, and its part of the key's index, from memory into the file."""
    # Refused while another thread of this process writes to the file; then the next one does it.
    with suppress(DBAPIError):
        connection.exec_driver_sql("CHECKPOINT")


def write_rows(
    connection: sa.Connection, target: sa.Table, rows: pa.Table, *, replacing: bool
) -> None:
    """Write rows at once, as one Arrow table: executemany costs DuckDB a millisecond a row."""
    names = _Names.of(connection, target)
    with _incoming(connection, rows):
        new = "incoming"
        if replacing and _are_some_there(connection, names):
            _update(connection, names)
            new = f"incoming ANTI JOIN {names.table} USING ({names.keys})"
        connection.exec_driver_sql(
            f"INSERT INTO {names.table} ({names.columns}) SELECT {names.columns} FROM {new}"
        )


@contextmanager
def _incoming(connection: sa.Connection, rows: pa.Table) -> Generator[None]:
    """Rows as a view `incoming`."""
    # The SQLAlchemy dialect hands unknown attributes on to DuckDB's own connection.
    native: Any = connection.connection.driver_connection
    # Rows of many chunks fill no row group, and the next checkpoint would have to merge them.
    native.register("incoming", rows.combine_chunks())
    yield
    # Not after an error: the transaction takes no more then, and the connection is about to close.
    native.unregister("incoming")


@dataclass(frozen=True, slots=True)
class _Names:
    """A record table's names as a statement spells them."""

    table: str
    columns: str
    keys: str
    key_columns: Sequence[str]
    other_columns: Sequence[str]

    @classmethod
    def of(cls, connection: sa.Connection, target: sa.Table) -> "_Names":
        preparer = connection.dialect.identifier_preparer
        table = preparer.format_table(target)
        keys = [preparer.quote(key.name) for key in target.primary_key.columns]
        columns = [preparer.quote(column.name) for column in target.columns]
        return cls(
            table,
            ", ".join(columns),
            ", ".join(keys),
            keys,
            [column for column in columns if column not in keys],
        )

    def same_keys(self, other: str) -> str:
        """The condition that a row of the table and one of another relation have the same key."""
        return " AND ".join(f"{self.table}.{key} = {other}.{key}" for key in self.key_columns)


def _are_some_there(connection: sa.Connection, names: _Names) -> bool:
    found = connection.exec_driver_sql(
        f"SELECT 1 FROM {names.table} JOIN incoming USING ({names.keys}) LIMIT 1"
    )
    return found.first() is not None


def _update(connection: sa.Connection, names: _Names) -> None:
    """Of rows with the same key, change everything else where something differs.

    To delete them and insert others costs much more, for the key's index loses and gets each one.
    """
    changes = ", ".join(f"{column} = incoming.{column}" for column in names.other_columns)
    differs = " OR ".join(
        f"{names.table}.{column} IS DISTINCT FROM incoming.{column}"
        for column in names.other_columns
    )
    connection.exec_driver_sql(
        f"UPDATE {names.table} SET {changes} FROM incoming "
        f"WHERE {names.same_keys('incoming')} AND ({differs})"
    )
