"""A connection to the warehouse: opened late, read-only, in UTC, closed early."""

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dialnexa_pipeline.database_errors import ARROW_FAILURES, said
from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.warehouse_engine import warehouse_engine

_LOCK_PATIENCE_SECONDS = 30.0
_LOCKED = re.compile(
    r"set lock on file|database is locked|different configuration than existing", re.I
)
_FAILURES = (DBAPIError, duckdb.Error, *ARROW_FAILURES)
_PREPARE: dict[str, tuple[str, ...]] = {
    # Moments without a zone are UTC, whatever the server's or the machine's zone is.
    "duckdb": ("SET TimeZone = 'UTC'",),
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL TIME ZONE 'UTC'"),
    "mysql": ("SET time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY"),
    "sqlite": (
        "PRAGMA query_only = 1",
        f"PRAGMA busy_timeout = {_LOCK_PATIENCE_SECONDS * 1000:.0f}",
    ),
}
_PREPARE["mariadb"] = _PREPARE["mysql"]
_CONNECT_ARGS: dict[str, dict[str, Any]] = {"duckdb": {"read_only": True}}


def session_statements(backend: str) -> tuple[str, ...]:
    """What makes a new connection read-only and its moments UTC."""
    return _PREPARE.get(backend, ())


@contextmanager
def explained(description: str) -> Generator[None]:
    """Whatever a driver says while rows are read is one sentence.

    Raises:
        SourceError: the warehouse refuses what is asked. Values of rows are never repeated.
    """
    try:
        yield
    except _FAILURES as error:
        raise SourceError(
            f"{description} cannot be read: {said(error)}. Correct source, or mend the "
            "warehouse, and run the sync again; nothing was sent."
        ) from None


@contextmanager
def reading(url: sa.URL, description: str) -> Generator[sa.Connection]:
    """A read-only connection; whatever fails while it is open is one sentence.

    A DuckDB or SQLite file that another process has locked is tried again for 30 seconds.

    Raises:
        ConfigError: no driver for the URL is installed.
        SourceError: the warehouse cannot be reached or refuses what is asked. Values of rows are
            never repeated.
    """
    engine = warehouse_engine(url, _CONNECT_ARGS.get(url.get_backend_name(), {}))
    try:
        with explained(description), _connect(engine, description) as connection:
            for statement in session_statements(connection.dialect.name):
                connection.exec_driver_sql(statement)
            yield connection
    finally:
        engine.dispose()


def _connect(engine: sa.Engine, description: str) -> sa.Connection:
    _require_file(engine.url, description)
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    delay = 0.05
    while True:
        try:
            return engine.connect()
        except (DBAPIError, duckdb.Error) as error:
            locked = _LOCKED.search(str(error)) is not None
            if locked and time.monotonic() < deadline:
                time.sleep(delay)
                delay = min(delay * 2, 1.0)
                continue
            advice = (
                f"Another process kept the file locked for {_LOCK_PATIENCE_SECONDS:.0f} s; let it "
                "finish, then run the sync again"
                if locked
                else "Check DIALNEXA_WAREHOUSE_URL, and that the warehouse is running"
            )
            raise SourceError(
                f"{description} cannot be reached: {said(error)}. {advice}."
            ) from None


def _require_file(url: sa.URL, description: str) -> None:
    if url.get_backend_name() not in {"duckdb", "sqlite"}:
        return
    database = url.database or ":memory:"
    if not database.startswith(("file:", "md:", "motherduck:")) and not Path(database).exists():
        raise SourceError(
            f"{description} cannot be read: the file {database} does not exist. Check "
            "DIALNEXA_WAREHOUSE_URL, or build the warehouse first."
        )
