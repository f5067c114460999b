"""Fixtures that several packages' tests share."""

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from dialnexa_pipeline.ledger import Ledger
from tests.postgres import fresh_database, postgres_server

# A slow machine is no defect of the code; benchmarks measure speed.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(scope="session")
def postgres() -> Generator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """An empty PostgreSQL database."""
    return fresh_database(postgres)


@pytest.fixture(scope="session")
def new_sqlite_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a ledger that is migrated and empty; copy it."""
    path = tmp_path_factory.mktemp("new_ledger") / "ledger.db"
    Ledger(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_ledger_url(new_sqlite_ledger: Path, tmp_path: Path) -> str:
    """A new ledger at `tmp_path / "ledger.db"`, without the second that migrating takes."""
    shutil.copyfile(new_sqlite_ledger, tmp_path / "ledger.db")
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(scope="session")
def new_postgres_ledger(postgres: str) -> str:
    """A database with a ledger that is migrated and empty, as a template."""
    url = fresh_database(postgres)
    Ledger(url).close()
    return url


@pytest.fixture
def postgres_ledger_url(postgres: str, new_postgres_ledger: str) -> str:
    """A new ledger in a PostgreSQL database of its own."""
    return fresh_database(postgres, template=new_postgres_ledger)
