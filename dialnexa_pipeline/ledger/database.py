"""One connection pool, one clock and one schema version for the ledger."""

import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from dialnexa_pipeline.database_errors import database_url, said, shown
from dialnexa_pipeline.errors import ConfigError, DialNexaError

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_BUSY_SECONDS = 30
_CACHE_KIB = 32_768
# Who only reads goes through an index in its order, or through the claims of a batch.
_READING_CACHE_KIB = 4_096
# Pages that change again and again are copied into the file once for each so many: 200 MB.
_CHECKPOINT_PAGES = 50_000
# Statements that every batch needs are built once, here and in the ledger's other modules: to build
# one costs more than to execute it.
_NOW_OF_SQLITE = sa.text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
_NOW_OF_POSTGRESQL = sa.text("SELECT clock_timestamp()")
_ONLY_READS = {"dialnexa_only_reads": True}


class LedgerUnavailable(DialNexaError):
    """The ledger's database does not answer; nothing was sent because of it."""


class LedgerDatabase:
    """SQLite (WAL) or PostgreSQL behind one face; the database's clock rules.

    Raises:
        ConfigError: the URL is not a SQLite or PostgreSQL one.
        LedgerUnavailable: the database cannot be opened or migrated.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url, _CACHE_KIB)
        self.dialect = self.engine.dialect.name
        is_sqlite = self.dialect == "sqlite"
        self._reading = _engine(url, _READING_CACHE_KIB) if is_sqlite else self.engine
        # Each statement of PostgreSQL would otherwise see what was committed before it.
        self._only_reads = _ONLY_READS if is_sqlite else {"isolation_level": "REPEATABLE READ"}
        # SQLite lets one transaction in: threads that wait here begin the moment it ends, and do
        # not look again after a pause.
        self._turn = threading.Lock() if is_sqlite else nullcontext()
        self._migrate()

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises:
            LedgerUnavailable: the database refused or went away; no value of a row is repeated.
        """
        try:
            with self._turn, self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise LedgerUnavailable(
                f"The ledger at {shown(self.engine.url)} did not take a change: "
                f"{said(error)}. Nothing of it is written; mend the database and run again."
            ) from None

    @contextmanager
    def reading(self) -> Generator[sa.Connection]:
        """One transaction that only reads, all of it one moment's state; SQLite's writers go on.

        Raises:
            LedgerUnavailable: the database refused or went away; no value of a row is repeated.
        """
        try:
            with (
                self._reading.connect().execution_options(**self._only_reads) as connection,
                connection.begin(),
            ):
                yield connection
        except DBAPIError as error:
            raise LedgerUnavailable(
                f"The ledger at {shown(self.engine.url)} does not answer: {said(error)}. "
                "Mend the database and run again."
            ) from None

    def lock(self, connection: sa.Connection, name: str, *, shared: bool = False) -> None:
        """Let one transaction at a time through for a name; SQLite's are alone anyway.

        Args:
            shared: any number of shared holders pass together, and none beside a single one.
        """
        if self.dialect == "postgresql":
            function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
            connection.execute(
                sa.text(f"SELECT {function}(hashtextextended(:name, 0))"),
                {"name": name},
            )

    def now(self, connection: sa.Connection) -> datetime:
        """The database's clock, in UTC: hosts whose clocks differ agree on leases."""
        if self.dialect == "sqlite":
            text = connection.scalar(_NOW_OF_SQLITE)
            return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
        moment = connection.scalar(_NOW_OF_POSTGRESQL)
        assert isinstance(moment, datetime)
        return moment.astimezone(UTC)

    def scrub(self) -> None:
        """Rewrite SQLite's file, so that overwritten values are out of its free pages too.

        PostgreSQL's own vacuum does that in its time.

        Raises:
            LedgerUnavailable: somebody else is at the file for longer than half a minute.
        """
        if self.dialect != "sqlite":
            return
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.close()
        except sqlite3.OperationalError as error:
            raise LedgerUnavailable(
                f"The ledger at {shown(self.engine.url)} is in use: {error}. What was erased may "
                "remain in its free pages; repeat the command when no run is under way."
            ) from None
        finally:
            connection.close()

    def close(self) -> None:
        self._reading.dispose()
        self.engine.dispose()

    def _migrate(self) -> None:
        try:
            with self.engine.connect() as connection:
                version = _version(connection)
            known = _versions()
            if version == known[-1]:
                return
            if version is not None and version not in known:
                raise LedgerUnavailable(_unknown(version, self.engine.url))
            # Alembic takes a tenth of a second to import, and is hardly ever needed.
            from dialnexa_pipeline.ledger.migrating import migrate

            with self.engine.begin() as connection:
                migrate(connection)
        except DBAPIError as error:
            raise LedgerUnavailable(
                f"The ledger at {shown(self.engine.url)} cannot be opened: {said(error)}. "
                "Check DIALNEXA_LEDGER_URL, and that the folder or server exists and may be "
                "written."
            ) from None


def _version(connection: sa.Connection) -> str | None:
    """The newest migration that the tables have seen, as Alembic notes it."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


@cache
def _versions() -> list[str]:
    """The migrations, oldest first; the name of each one's file begins with its number."""
    return sorted(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py"))


def _unknown(version: str, url: sa.URL) -> str:
    newest = _versions()[-1]
    if len(version) == len(newest) and version.isdecimal():
        return (
            f"The ledger at {shown(url)} was brought to version {version} by a newer "
            f"dialnexa-pipeline; this one knows versions up to {newest}. Install the newer one "
            "here as well; nothing was sent."
        )
    return (
        f"The database at {shown(url)} holds the tables of another program: its alembic_version "
        f"is {version!r}. Let DIALNEXA_LEDGER_URL name a database of the ledger's own; nothing "
        "was changed, and nothing was sent."
    )


def ledger_exists(url: str) -> bool:
    """False when the URL names a SQLite file that is not there; a server's ledger is made early."""
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return True
    return Path((parsed.database or "").removeprefix("file:")).is_file()


def _parsed(url: str) -> sa.URL:
    return database_url(
        url,
        variable="DIALNEXA_LEDGER_URL",
        examples="sqlite:///path/to/ledger.db or postgresql+psycopg://user:password@host/database",
    )


def _engine(url: str, cache_kib: int) -> sa.Engine:
    parsed = _parsed(url)
    backend = parsed.get_backend_name()
    if backend not in {"postgresql", "sqlite"}:
        raise ConfigError(
            f"DIALNEXA_LEDGER_URL names {backend!r}; the ledger lives in SQLite or PostgreSQL, "
            "because one of them must enforce one live claim per workflow and phone."
        )
    try:
        return _postgresql(parsed) if backend == "postgresql" else _sqlite(parsed, cache_kib)
    except (NoSuchModuleError, ModuleNotFoundError):
        raise ConfigError(
            f"DIALNEXA_LEDGER_URL begins with {parsed.drivername}://, and no driver for that is "
            'installed. For PostgreSQL: pip install "dialnexa-pipeline[postgres]".'
        ) from None


def _postgresql(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _sqlite(url: sa.URL, cache_kib: int) -> sa.Engine:
    database = url.database or ""
    if database in {"", ":memory:"} or ":memory:" in database or url.query.get("mode") == "memory":
        raise ConfigError(
            "DIALNEXA_LEDGER_URL names a SQLite database in memory; the ledger must survive the "
            "process, so name a file."
        )
    folder = Path(database.removeprefix("file:")).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerUnavailable(
            f"The ledger's folder {folder} cannot be made: {error.strerror}. Check "
            "DIALNEXA_LEDGER_URL and the folder's rights."
        ) from error
    engine = sa.create_engine(
        url,
        connect_args={"timeout": _BUSY_SECONDS},
        hide_parameters=True,
        # Each connection has a cache: the one used last is used again, the others stay small.
        pool_use_lifo=True,
    )
    event.listen(engine, "connect", partial(_prepare_sqlite, cache_kib))
    event.listen(engine, "begin", _begin)
    return engine


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    # What is sent is on the server's disk as sent first, whatever the server does by default.
    cursor = connection.cursor()
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
    cursor.close()
    connection.commit()


def _prepare_sqlite(cache_kib: int, connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # A claim must outlive a power cut: what is sent is claimed *on disk* first.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    # Millions of claims: their index does not fit into the 2 MB that SQLite takes otherwise.
    cursor.execute(f"PRAGMA cache_size = -{cache_kib}")
    cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    """Whoever writes takes the lock first: two that had read could not both go on to write."""
    only_reads = _ONLY_READS.items() <= connection.get_execution_options().items()
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")
