"""DuckDB under SQLAlchemy: selects as Arrow, and no progress bar in the logs of steps."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

# DuckDB takes a process that Dagster spawns for somebody at a terminal. For this connection only.
QUIET = "SET enable_progress_bar = false"


def arrow_batches(
    connection: sa.Connection, statement: sa.Select[Any], rows: int
) -> Iterator[pa.RecordBatch]:
    """What a select gives, by DuckDB's own Arrow reader: rows never become objects.

    Args:
        rows: of a batch at most.

    Raises:
        duckdb.Error: as DuckDB raises it.
    """
    literal = {"literal_binds": True}
    sql = statement.compile(dialect=connection.dialect, compile_kwargs=literal).string
    # The SQLAlchemy dialect hands unknown attributes on to DuckDB's own connection.
    native: Any = connection.connection.driver_connection
    native.execute(QUIET)
    yield from native.sql(sql).to_arrow_reader(rows)
