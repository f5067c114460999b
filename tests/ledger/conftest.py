"""Both ledgers, each empty, and a plan with claims."""

from collections.abc import Generator
from pathlib import Path

import pytest

from dialnexa_pipeline.ledger import Ledger


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_ledger_url")


@pytest.fixture(params=["sqlite", "postgresql"])
def unmigrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that no ledger has opened yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def ledger(ledger_url: str) -> Generator[Ledger]:
    with Ledger(ledger_url) as opened:
        yield opened
