"""One `dbt build` over hand-written records, shared by every test of this folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from dialnexa_pipeline.records import record_tables

PROJECT = Path(__file__).parents[2] / "dbt_project"

_EARLIER = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
_LATER = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)

_ENROLMENTS = [
    ("home_loans", "wf_home_loans", "C00001", "+919900187681", "lead_1", "e1", "b1", "r1", "",
     "enrolled", _EARLIER),
    ("product_offers", "wf_insurance", "C00003", "+918895572832", "lead_2", "e2", "b2", "r3", "",
     "withdrawn", _LATER),
    ("home_loans", "wf_home_loans", "C00005", "+919811111111", "lead_3", "e3", "b1", "r1", "",
     "enrolled", _EARLIER),
    ("product_offers", "wf_insurance", "C00004", "+919811111112", "lead_4", "e4", "b2", "r3", "",
     "enrolled", _LATER),
]  # fmt: skip
_REJECTED = [
    ("home_loans", "wf_home_loans", "C00002", "invalid", "invalid/too_short", "Too short.", "97",
     None, None, "r2", "", _EARLIER, _LATER, None),
    ("home_loans", "wf_home_loans", "C00001", "invalid", "invalid/blank", "Blank.", "", None, None,
     "r1", "", _EARLIER, _EARLIER, _LATER),
    ("product_offers", "wf_insurance", "C00003", "suppressed", "suppressed/withdrawn", "Withdrawn.",
     "+918895572832", "+918895572832", None, "r4", "", _LATER, _LATER, None),
]  # fmt: skip
# source_rows, then enrolled, invalid, duplicate, suppressed, deferred, rejected, in_doubt, planned
_COUNTS = [
    ("home_loans", "r1", "", "wf_home_loans", 3, 1, 2, 0, 0, 0, 0, 0, 0, _EARLIER),
    ("home_loans", "r2", "", "wf_home_loans", 2, 0, 1, 1, 0, 0, 0, 0, 0, _LATER),
    ("product_offers", "r1", "", "wf_credit_cards", 4, 4, 0, 0, 0, 0, 0, 0, 0, _EARLIER),
    ("product_offers", "r3", "", "wf_insurance", 2, 1, 0, 0, 0, 0, 1, 0, 0, _LATER),
]
# enrolment_ref, then change_no and status; whose calls are over was called, however soon we looked.
_PROGRESS = [
    ("home_loans", "wf_home_loans", "C00001", "lead_1", "e1", 1, "pending"),
    ("home_loans", "wf_home_loans", "C00001", "lead_1", "e1", 2, "in_progress"),
    ("home_loans", "wf_home_loans", "C00001", "lead_1", "e1", 3, "completed"),
    ("product_offers", "wf_insurance", "C00003", "lead_2", "e2", 1, "pending"),
    ("product_offers", "wf_insurance", "C00003", "lead_2", "e2", 2, "not_listed"),
    ("home_loans", "wf_home_loans", "C00005", "lead_3", "e3", 1, "voicemail"),
]


def run_dbt(warehouse: Path, scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dbt with an absolute project folder, and everything that it writes in `scratch`."""
    program = "import sys; from dbt.cli.main import cli; sys.exit(cli(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments, "--no-use-colors",
         "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
         "--target-path", str(scratch / "target"), "--log-path", str(scratch / "logs")],
        env={**os.environ, "DIALNEXA_DUCKDB_PATH": str(warehouse), "DIALNEXA_DBT_TARGET": "duckdb"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def _record(warehouse: Path) -> None:
    moments = (_EARLIER, _LATER, _LATER)
    tables = {
        "dialnexa_enrolments": _ENROLMENTS,
        "dialnexa_rejected_rows": _REJECTED,
        "dialnexa_enrolment_counts": _COUNTS,
        "dialnexa_lead_progress": [(*row, *moments, "r9") for row in _PROGRESS],
    }
    metadata = record_tables()
    engine = sa.create_engine(f"duckdb:///{warehouse}")
    with engine.begin() as connection:
        metadata.create_all(connection)
        for name, rows in tables.items():
            table = metadata.tables[name]
            columns = table.columns.keys()
            records = [dict(zip(columns, row, strict=True)) for row in rows]
            connection.execute(sa.insert(table), records)
    engine.dispose()


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The warehouse after `dbt build`, and what dbt printed."""
    scratch = tmp_path_factory.mktemp("dbt")
    warehouse = scratch / "warehouse.duckdb"
    _record(warehouse)
    done = run_dbt(warehouse, scratch, "build")
    assert done.returncode == 0, done.stdout + done.stderr
    return warehouse, done.stdout


@pytest.fixture(scope="session")
def unfollowed(build: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The marts again, where no sync follows its leads: the table is there and empty."""
    scratch = tmp_path_factory.mktemp("unfollowed")
    warehouse = scratch / "warehouse.duckdb"
    shutil.copy(build[0], warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("delete from dialnexa_lead_progress")
    done = run_dbt(warehouse, scratch, "build", "--select", "fct_lead_progress+")
    assert done.returncode == 0, done.stdout + done.stderr
    return warehouse


@pytest.fixture(scope="session")
def crm_half(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Seeds, staging and lead lists built alone, where no sync has recorded anything yet."""
    scratch = tmp_path_factory.mktemp("crm_half")
    paths = ["path:seeds", "path:models/staging", "path:models/analytics"]
    return run_dbt(scratch / "warehouse.duckdb", scratch, "build", "--select", *paths)


@pytest.fixture
def warehouse(build: tuple[Path, str]) -> Generator[duckdb.DuckDBPyConnection]:
    """The built warehouse, read-only."""
    with duckdb.connect(str(build[0]), read_only=True) as connection:
        yield connection
