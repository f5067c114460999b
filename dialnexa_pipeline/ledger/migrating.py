"""Bring the ledger's tables to this version, with everything that they hold."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant will do; it only has to be the same in every process.
_MIGRATION_LOCK = 0x6469616C


def migrate(connection: sa.Connection) -> None:
    """Run the migrations that are missing; on PostgreSQL one process at a time."""
    config = migrations()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def migrations() -> Config:
    """Where the ledger's migrations lie; a connection is to be put among its attributes."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
