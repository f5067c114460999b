"""One `dbt build` over hand-written records, shared by every test of this folder."""

import os
import subprocess
import sys
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

PROJECT = Path(__file__).parents[2] / "dbt_project"

_EARLIER = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
_LATER = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)

# The columns of DESIGN's record tables, as the pipeline writes them.
_TABLES = """
create table dialnexa_enrolments (
    sync varchar, workflow_id varchar, lead_key varchar, phone varchar, lead_id varchar,
    enrolment_ref varchar, batch_id varchar, run_id varchar, partition_key varchar,
    state varchar, enrolled_at timestamp with time zone);
create table dialnexa_rejected_rows (
    sync varchar, workflow_id varchar, lead_key varchar, outcome varchar, reason varchar,
    detail varchar, raw_phone varchar, phone varchar, batch_id varchar, run_id varchar,
    partition_key varchar, first_seen_at timestamp with time zone,
    last_seen_at timestamp with time zone, resolved_at timestamp with time zone);
create table dialnexa_enrolment_counts (
    sync varchar, run_id varchar, partition_key varchar, workflow_id varchar,
    source_rows bigint, enrolled bigint, invalid bigint, duplicate bigint, suppressed bigint,
    deferred bigint, rejected bigint, in_doubt bigint, planned bigint,
    recorded_at timestamp with time zone);
"""
_ENROLMENTS = [
    ("home_loans", "wf_home_loans", "C00001", "+919900187681", "lead_1", "e1", "b1", "r1", "",
     "enrolled", _EARLIER),
    ("product_offers", "wf_insurance", "C00003", "+918895572832", "lead_2", "e2", "b2", "r3", "",
     "withdrawn", _LATER),
]  # fmt: skip
_REJECTED = [
    ("home_loans", "wf_home_loans", "C00002", "invalid", "invalid/too_short", "Too short.", "97",
     None, None, "r2", "", _EARLIER, _LATER, None),
    ("home_loans", "wf_home_loans", "C00001", "invalid", "invalid/blank", "Blank.", "", None, None,
     "r1", "", _EARLIER, _EARLIER, _LATER),
]  # fmt: skip
# source_rows, then enrolled, invalid, duplicate, suppressed, deferred, rejected, in_doubt, planned
_COUNTS = [
    ("home_loans", "r1", "", "wf_home_loans", 3, 1, 2, 0, 0, 0, 0, 0, 0, _EARLIER),
    ("home_loans", "r2", "", "wf_home_loans", 2, 0, 1, 1, 0, 0, 0, 0, 0, _LATER),
    ("product_offers", "r1", "", "wf_credit_cards", 4, 4, 0, 0, 0, 0, 0, 0, 0, _EARLIER),
    ("product_offers", "r3", "", "wf_insurance", 2, 1, 0, 0, 0, 0, 1, 0, 0, _LATER),
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
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(_TABLES)
        for table, rows in (
            ("dialnexa_enrolments", _ENROLMENTS),
            ("dialnexa_rejected_rows", _REJECTED),
            ("dialnexa_enrolment_counts", _COUNTS),
        ):
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"insert into {table} values ({marks})", rows)


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
