"""Fixtures that several packages' tests share."""

from collections.abc import Generator

import pytest
from hypothesis import settings

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
