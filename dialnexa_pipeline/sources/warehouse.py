"""A connection to the warehouse: opened late, read-only, in UTC, closed early."""

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_manager
import duckdb
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, NoSuchModuleError

from dialnexa_pipeline.errors import ConfigError, SourceError
from dialnexa_pipeline.phones import mask_phones_in

_LOCK_PATIENCE_SECONDS = 30.0
_LOCKED = re.compile(
    r"set lock on file|database is locked|different configuration than existing", re.I
)
_EXTRAS = {
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
}
_QUOTES = re.compile(r"['\"].*['\"]|['\"].*")
_VALUES = re.compile("Conversion Error|Could not decode")
# PostgreSQL says `ERROR:  …` in the language of the server; the drivers put words before it.
_SERVER_SAYS = re.compile(r"[^\s:]+:  (\S.*)")
_DRIVER_SAYS = re.compile(r"^(?:[A-Z_]+: )?(?:\[\w+\] )?")
_ARROW_FAILURES = (adbc_driver_manager.Error, pa.ArrowException, OSError)
_FAILURES = (DBAPIError, duckdb.Error, *_ARROW_FAILURES)
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


def warehouse_url(text: str) -> sa.URL:
    """The URL of the warehouse; `postgresql://` and `postgres://` mean psycopg 3.

    Raises:
        ConfigError: the text is not a SQLAlchemy URL.
    """
    try:
        url = sa.make_url(text)
    except ArgumentError:
        # The text itself may hold a password, so neither it nor its error is repeated.
        raise ConfigError(
            "DIALNEXA_WAREHOUSE_URL is not a SQLAlchemy URL; give for example "
            "duckdb:///warehouse.duckdb or postgresql+psycopg://user:password@host/database."
        ) from None
    if url.drivername in {"postgres", "postgresql"}:
        return url.set(drivername="postgresql+psycopg")
    return url


def shown(url: sa.URL) -> str:
    """The URL without password and without parameters, which may hold secrets too."""
    return url.set(query={}).render_as_string(hide_password=True)


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
            f"{description} cannot be read: {_said(error)}. Correct source, or mend the "
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
    engine = _engine(url)
    try:
        with explained(description), _connect(engine, description) as connection:
            for statement in session_statements(connection.dialect.name):
                connection.exec_driver_sql(statement)
            yield connection
    finally:
        engine.dispose()


def _engine(url: sa.URL) -> sa.Engine:
    backend = url.get_backend_name()
    try:
        return sa.create_engine(
            url,
            poolclass=sa.NullPool,
            hide_parameters=True,
            connect_args=_CONNECT_ARGS.get(backend, {}),
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        extra = _EXTRAS.get(backend)
        advice = f'pip install "dialnexa-pipeline[{extra}]"' if extra else "its SQLAlchemy dialect"
        raise ConfigError(
            f"DIALNEXA_WAREHOUSE_URL begins with {url.drivername}://, and no driver for that is "
            f"installed. Install {advice}, or correct the URL."
        ) from error


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
                f"{description} cannot be reached: {_said(error)}. {advice}."
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


def _said(error: Exception) -> str:
    """What the warehouse said, one line, without phone numbers and values that it quotes."""
    said = str(getattr(error, "orig", None) or error).strip()
    by_server = _SERVER_SAYS.search(said) if isinstance(error, _ARROW_FAILURES) else None
    line = by_server[1] if by_server else _DRIVER_SAYS.sub("", said).partition("\n")[0]
    text = mask_phones_in(line.strip()) or type(error).__name__
    if _may_quote_values(error) or _VALUES.search(text):
        text = _QUOTES.sub("'…'", text)
    return text.rstrip(". ")


def _may_quote_values(error: Exception) -> bool:
    if isinstance(error, _ARROW_FAILURES):
        # Class 42 names tables and columns; in the middle of a stream no class is told.
        return not str(getattr(error, "sqlstate", None)).startswith("42")
    return isinstance(error, DataError | duckdb.DataError)
