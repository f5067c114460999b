"""Rows written into a record table of DuckDB; a load of many in transactions of whole row groups.

What a transaction of DuckDB wrote is in memory until it ends, so one of millions of rows would take
gigabytes. And only a statement that fills row groups writes them to the file at once: the rows of
small ones are written to the log first and again by the next checkpoint.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

# Two row groups (DuckDB's documentation, "Storage": 122,880 rows each).
LOADED_ROWS = 2 * 122_880


def load_pieces(connection: sa.Connection, target: sa.Table, pieces: Iterable[pa.Table]) -> int:
    """Write rows, each in place of the row with the same key; return how many.

    Each piece is committed before the next one is written, the last one by whoever ends the
    connection's transaction.
    """
    written = 0
    for piece in pieces:
        if written:
            connection.exec_driver_sql("COMMIT")
            _let_go(connection)
            connection.exec_driver_sql("BEGIN TRANSACTION")
        write_rows(connection, target, piece, replacing=True)
        written += piece.num_rows
    return written


def _let_go(connection: sa.Connection) -> None:
    """Bring what is committed, and its part of the key's index, from memory into the file."""
    # Refused while another thread of this process writes to the file; then the next one does it.
    with suppress(DBAPIError):
        connection.exec_driver_sql("CHECKPOINT")


def write_rows(
    connection: sa.Connection, target: sa.Table, rows: pa.Table, *, replacing: bool
) -> None:
    """Write rows at once, as one Arrow table: executemany costs DuckDB a millisecond a row."""
    preparer = connection.dialect.identifier_preparer
    into = preparer.format_table(target)
    same = " AND ".join(
        f"{into}.{preparer.quote(key.name)} = incoming.{preparer.quote(key.name)}"
        for key in target.primary_key.columns
    )
    columns = ", ".join(preparer.quote(column.name) for column in target.columns)
    # The SQLAlchemy dialect hands unknown attributes on to DuckDB's own connection.
    native: Any = connection.connection.driver_connection
    # Rows of many chunks fill no row group, and the next checkpoint would have to merge them.
    native.register("incoming", rows.combine_chunks())
    try:
        if replacing:
            connection.exec_driver_sql(f"DELETE FROM {into} USING incoming WHERE {same}")
        connection.exec_driver_sql(f"INSERT INTO {into} ({columns}) SELECT {columns} FROM incoming")
    finally:
        native.unregister("incoming")
