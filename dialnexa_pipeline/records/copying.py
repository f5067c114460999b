"""Rows copied into a record table of PostgreSQL; a load of many over two connections at once.

A server process takes the rows of one connection, and that is what a load waits for: it reads them,
and finds the place of each in the index of the key.
"""

import io
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice

import pyarrow as pa
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy.exc import DBAPIError

from dialnexa_pipeline.postgresql_copy import copy_from, is_unique_violation

# A second connection is worth no long wait: the first one can take all rows.
_PATIENCE_FOR_SECOND = "1s"
# It never waits for the first one, whose rows have other keys. If it did, both would wait for ever.
_PATIENCE = "60s"


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows to be copied at once, and their lines of CSV."""

    rows: pa.Table = field(repr=False)
    lines: bytes = field(repr=False)

    @classmethod
    def of(cls, rows: pa.Table) -> "Piece":
        return cls(rows, _csv(rows))


def copy_pieces(
    connection: sa.Connection, target: sa.Table, pieces: Iterable[Piece], *, replacing: bool
) -> int:
    """Copy rows in the connection's transaction; return how many.

    Args:
        replacing: rows with the same keys give way, instead of being an error.
    """
    written = 0
    were_there = False
    for piece in pieces:
        # Rows are hardly ever there already, but where some are, more may follow.
        if not were_there:
            were_there = not _copied(connection, target, piece, replacing=replacing)
        if were_there:
            were_there = _delete(connection, target, piece) > 0
            _write_lines(connection, target, piece.lines)
        written += piece.rows.num_rows
    return written


def copy_side_by_side(connection: sa.Connection, target: sa.Table, pieces: Iterator[Piece]) -> int:
    """As `copy_pieces`, replacing, but over a second connection as well; no key may come twice.

    The second one commits before this returns, so the table must be there for others too, and
    whoever fails afterwards leaves some of the rows behind: copying all of them again is right. A
    server that does not give the second one soon gets everything over the first.
    """
    first = list(islice(pieces, 2))
    shared = _Shared(chain(first, pieces))
    if len(first) < 2:
        return copy_pieces(connection, target, shared, replacing=True)
    # In this order nobody who wants the table alone comes between, for whom both would wait.
    _lock(connection, target)
    with _second(connection.engine, target) as second:
        if second is None:
            return copy_pieces(connection, target, shared, replacing=True)
        with ThreadPoolExecutor(1, thread_name_prefix="copying") as thread, shared:
            beside = thread.submit(_copy_shared, second, target, shared)
            written = copy_pieces(connection, target, shared, replacing=True)
            return written + beside.result()


class _Shared:
    """Pieces for two threads, each for one of them; none for anybody once one of them failed."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._turn = threading.Lock()
        self._ended = False

    def __iter__(self) -> Iterator[Piece]:
        while True:
            with self._turn:
                piece = None if self._ended else next(self._pieces, None)
            if piece is None:
                return
            yield piece

    def __enter__(self) -> "_Shared":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._ended = self._ended or kind is not None


def _copy_shared(connection: sa.Connection, target: sa.Table, shared: _Shared) -> int:
    with shared:
        return copy_pieces(connection, target, shared, replacing=True)


@contextmanager
def _second(engine: sa.Engine, target: sa.Table) -> Generator[sa.Connection | None]:
    """A transaction of its own that may write to the table; none when the server gives none."""
    try:
        connection = engine.connect()
    except DBAPIError:
        yield None
        return
    with connection, connection.begin() as transaction:
        try:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE_FOR_SECOND}'")
            _lock(connection, target)
        except DBAPIError:
            transaction.rollback()
            yield None
            return
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        yield connection


def _lock(connection: sa.Connection, target: sa.Table) -> None:
    into = connection.dialect.identifier_preparer.format_table(target)
    connection.exec_driver_sql(f"LOCK TABLE {into} IN ROW EXCLUSIVE MODE")


def _copied(connection: sa.Connection, target: sa.Table, piece: Piece, *, replacing: bool) -> bool:
    """Copy rows, none of which is there already; if one is, `replacing` makes nothing of it."""
    try:
        with connection.begin_nested():
            _write_lines(connection, target, piece.lines)
    except DBAPIError as error:
        if not replacing or not is_unique_violation(connection, error):
            raise
        return False
    return True


def _delete(connection: sa.Connection, target: sa.Table, piece: Piece) -> int:
    """Delete the rows that have the keys of a piece; how many there were."""
    preparer = connection.dialect.identifier_preparer
    into = preparer.format_table(target)
    keys = [column.name for column in target.primary_key.columns]
    names = [preparer.quote(key) for key in keys]
    same = " AND ".join(f"{into}.{name} = incoming.{name}" for name in names)
    incoming = f"unnest({', '.join(['%s::text[]'] * len(keys))})"
    return connection.exec_driver_sql(
        f"DELETE FROM {into} USING {incoming} AS incoming ({', '.join(names)}) WHERE {same}",
        tuple(piece.rows[key].to_pylist() for key in keys),
    ).rowcount


def _write_lines(connection: sa.Connection, target: sa.Table, lines: bytes) -> None:
    preparer = connection.dialect.identifier_preparer
    names = ", ".join(preparer.quote(column.name) for column in target.columns)
    statement = f"COPY {preparer.format_table(target)} ({names}) FROM STDIN (FORMAT csv)"
    copy_from(connection, statement, lines)


def _csv(rows: pa.Table) -> bytes:
    """Lines without a header: null is nothing, and an empty text is quoted.

    PostgreSQL's text holds no NUL, so one is shown as U+FFFD.
    """
    for index, column in enumerate(rows.schema):
        if pa.types.is_timestamp(column.type):
            # A moment takes a microsecond to be spelled, and thousands of rows share it.
            moments = rows.column(index).combine_chunks().dictionary_encode()
            texts = moments.dictionary.cast(pa.string()).take(moments.indices)
            rows = rows.set_column(index, column.name, texts)
    # For a chunk without rows pyarrow writes whatever lies in its memory; a slice has none.
    rows = rows.slice(0)
    content = io.BytesIO()
    options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
    csv.write_csv(rows, content, options)
    return content.getvalue().replace(b"\0", "\ufffd".encode())
