"""ADBC: the database's own driver fills Arrow columns, so no row becomes Python objects."""

import importlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import adbc_driver_manager
import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.sources.warehouse import session_statements

_DRIVERS = {
    "postgresql+psycopg": "adbc_driver_postgresql.dbapi",
    "postgresql+psycopg2": "adbc_driver_postgresql.dbapi",
    "sqlite": "adbc_driver_sqlite.dbapi",
    "sqlite+pysqlite": "adbc_driver_sqlite.dbapi",
}


class Address(NamedTuple):
    """Where ADBC connects to, and with which driver."""

    driver: Any
    place: str
    backend: str


class AdbcPlan(NamedTuple):
    """A statement, and how the batches of its result become the wanted columns."""

    sql: str
    shape: Callable[[pa.RecordBatch], pa.RecordBatch]
    options: Mapping[str, str]


class CannotConnectError(Exception):
    """ADBC does not come into a warehouse that SQLAlchemy has come into."""


def adbc_address(url: sa.URL) -> Address | None:
    """The warehouse as ADBC is told of it; None where ADBC cannot read it.

    A SQLite file that this process has open elsewhere is left to Python's own SQLite: the
    driver brings a second copy of SQLite, and when one copy closes a file, the operating system
    drops the locks that the other holds on it.
    """
    module = _DRIVERS.get(url.drivername)
    if module is None:
        return None
    try:
        driver = importlib.import_module(module)
    except ImportError:
        return None
    backend = url.get_backend_name()
    if backend == "sqlite":
        file = url.database or ""
        plain = file not in {"", ":memory:"} and not file.startswith("file:") and not url.query
        return Address(driver, file, backend) if plain and not _open_here(Path(file)) else None
    given: Mapping[str, Any] = url.get_dialect()().create_connect_args(url)[1]
    # psycopg's own settings are objects; libpq's are texts and numbers.
    settings = {name: value for name, value in given.items() if isinstance(value, str | int)}
    return Address(driver, _conninfo({**settings, "client_encoding": "UTF8"}), backend)


@contextmanager
def adbc_batches(address: Address, plan: AdbcPlan) -> Generator[Iterator[pa.RecordBatch]]:
    """Batches of one statement, read one ahead on a thread of their own.

    The thread also keeps an interrupt what it is: on the main thread ADBC takes the signal for
    itself and makes a failed statement of it.

    Raises:
        CannotConnectError: before anything was read.
    """
    try:
        connection = address.driver.connect(address.place)
    except adbc_driver_manager.Error:
        raise CannotConnectError from None
    with (
        closing(connection),
        closing(connection.cursor()) as cursor,
        ThreadPoolExecutor(1, thread_name_prefix="adbc") as thread,
    ):
        for statement in session_statements(address.backend):
            cursor.execute(statement)
        cursor.adbc_statement.set_options(**plan.options)
        with closing(_ahead(thread, cursor, plan.sql)) as batches:
            yield batches


def _ahead(thread: ThreadPoolExecutor, cursor: Any, sql: str) -> Generator[pa.RecordBatch]:
    def begin() -> tuple[Any, pa.RecordBatch | None]:
        reader = cursor.execute(sql).fetch_record_batch()
        return reader, next(reader, None)

    with _cancelled_unless_done(cursor):
        reader, batch = thread.submit(begin).result()
        while batch is not None:
            following: Future[pa.RecordBatch | None] = thread.submit(next, reader, None)
            yield batch
            batch = following.result()


@contextmanager
def _cancelled_unless_done(cursor: Any) -> Generator[None]:
    try:
        yield
    except BaseException:
        # SQLite's driver cannot cancel; there the batch that is being read is waited for.
        with suppress(adbc_driver_manager.Error):
            cursor.adbc_cancel()
        raise


def _conninfo(settings: Mapping[str, str | int]) -> str:
    def quoted(value: str | int) -> str:
        return "'" + str(value).replace("\\", r"\\").replace("'", r"\'") + "'"

    return " ".join(f"{name}={quoted(value)}" for name, value in settings.items())


def _open_here(file: Path) -> bool:
    """Whether this process has the file open; where it cannot be told, locks belong to handles."""
    with suppress(OSError):
        wanted = file.stat()
        for number in os.listdir("/dev/fd"):
            with suppress(OSError):
                if os.path.samestat(os.fstat(int(number)), wanted):
                    return True
    return False
