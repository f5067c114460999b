"""The record tables equal the ledger: followed, rebuilt at any time, and after any crash."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from dialnexa_pipeline.ledger import Count, Ledger, Plan, RefusedRow
from dialnexa_pipeline.records import (
    differences,
    rebuild,
    record_counts,
    record_enrolments,
    record_rejected_rows,
)
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import LEASE, on_disk

TABLES = ("dialnexa_enrolments", "dialnexa_rejected_rows", "dialnexa_enrolment_counts")


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return f"duckdb:///{tmp_path / 'w.duckdb'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def ledger_url(sqlite_ledger_url: str) -> str:
    return sqlite_ledger_url


@pytest.fixture
def ledger(ledger_url: str) -> Generator[Ledger]:
    with Ledger(ledger_url) as opened:
        yield opened


def planned(ledger: Ledger, sync: str, rows: int = 6) -> tuple[Plan, str]:
    """A ready plan of one batch that is under way, and of one row that was refused."""
    number = len(ledger.accounts.counted_plans(sync))
    plan = ledger.plans.begin(sync=sync, partition_key="", run_id=f"{sync}-{number}")
    batch_id = f"{sync}-b{number}"
    won = claim(ledger, plan, range(rows), batch_id, workflow=f"wf_{sync}", ref_column="ref")
    refused = RefusedRow(f"wf_{sync}", "bad", "invalid", "invalid/blank", None, "", None)
    counts = [
        Count(f"wf_{sync}", "invalid", "invalid/blank", 1),
        Count(f"wf_{sync}", "duplicate", "duplicate/already_enrolled", rows - len(won)),
    ]
    ledger.plans.refuse(plan, refused_table([refused]), counts)
    on_disk(ledger, batch_id)
    ledger.plans.make_ready(plan, source_rows=rows + 1, phone_metadata="9")
    ledger.batches.start_sending(batch_id, owner="me", run_id="r", lease=LEASE)
    return plan, batch_id


def live(ledger: Ledger, sync: str) -> None:
    """A first run whose batch is enrolled in part and proved absent for the rest."""
    _, batch_id = planned(ledger, sync)
    refs = [claim.enrolment_ref for claim in ledger.batches.claims_of(batch_id)]
    ledger.batches.put_in_doubt(batch_id, owner="me", reason="in_doubt/no_answer", detail="504")
    ledger.doubts.settle_found(batch_id, {refs[0]: "l0", refs[1]: "l1"})
    ledger.doubts.settle_absent(batch_id)


def live_on(ledger: Ledger, sync: str) -> None:
    """A second run, one row of which DialNexa refuses and the rest of which is enrolled."""
    _, batch_id = planned(ledger, sync)
    refs = [claim.enrolment_ref for claim in ledger.batches.claims_of(batch_id)]
    rejected = {refs[0]: ("rejected/refused", "No.")}
    child = ledger.batches.settle_rejected(batch_id, owner="me", rejected=rejected, detail="No.")
    assert child is not None
    on_disk(ledger, child)
    ledger.batches.start_sending(child, owner="me", run_id="r", lease=LEASE)
    ledger.batches.settle_enrolled(child, owner="me", lead_ids=dict.fromkeys(refs[1:], "l"))


def follow(ledger: Ledger, warehouse: str, sync: str) -> None:
    record_enrolments(ledger, warehouse, sync)
    record_rejected_rows(ledger, warehouse, sync)
    record_counts(ledger, warehouse, sync)


def contents(warehouse: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the record tables, without the moment of recording."""
    engine = sa.create_engine(warehouse)
    with engine.connect() as connection:
        found = {
            table: sorted(
                tuple(str(value) for name, value in row._mapping.items() if name != "recorded_at")
                for row in connection.execute(sa.text(f"SELECT * FROM {table}"))
            )
            for table in TABLES
        }
    engine.dispose()
    return found


def execute(warehouse: str, *statements: str) -> None:
    engine = sa.create_engine(warehouse)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def pending(ledger: Ledger, sync: str) -> int:
    return sum(
        len(ledger.accounts.pending(sync, table).change_ids)
        for table in ("enrolments", "rejected_rows", "counts")
    )


def test_a_rebuilt_table_is_the_followed_one(ledger: Ledger, warehouse: str) -> None:
    for sync in ("a", "b"):
        live(ledger, sync)
        follow(ledger, warehouse, sync)
        live_on(ledger, sync)
        follow(ledger, warehouse, sync)
    followed = contents(warehouse)
    assert {table: len(rows) for table, rows in followed.items()} == {
        "dialnexa_enrolments": 10,
        "dialnexa_rejected_rows": 14,
        "dialnexa_enrolment_counts": 4,
    }
    assert not any(differences(ledger, warehouse).values())
    execute(warehouse, *(f"DELETE FROM {table} WHERE sync = 'a'" for table in TABLES[1:]))
    assert rebuild(ledger, warehouse, "a") == {
        "dialnexa_enrolments": 5,
        "dialnexa_rejected_rows": 7,
        "dialnexa_enrolment_counts": 2,
    }
    assert contents(warehouse) == followed


def test_rebuilding_needs_no_tables_and_leaves_nothing_to_follow(
    ledger: Ledger, warehouse: str
) -> None:
    live(ledger, "a")
    rebuild(ledger, warehouse, "a")
    assert pending(ledger, "a") == 0
    assert not any(differences(ledger, warehouse, "a").values())
    live_on(ledger, "a")
    assert any(differences(ledger, warehouse, "a").values())
    follow(ledger, warehouse, "a")
    assert not any(differences(ledger, warehouse, "a").values())


def test_each_difference_is_counted(ledger: Ledger, warehouse: str) -> None:
    live(ledger, "a")
    live(ledger, "b")
    for sync in ("a", "b"):
        follow(ledger, warehouse, sync)
    execute(
        warehouse,
        "DELETE FROM dialnexa_enrolments WHERE sync = 'a' AND lead_key = 'k0'",
        "UPDATE dialnexa_enrolments SET sync = 'gone' WHERE sync = 'b'",
        "UPDATE dialnexa_rejected_rows SET resolved_at = NULL, lead_key = 'new' "
        "WHERE lead_key = 'bad' AND sync = 'a'",
        "UPDATE dialnexa_rejected_rows SET detail = 'other' WHERE lead_key = 'k3'",
        "UPDATE dialnexa_enrolment_counts SET enrolled = enrolled + 1 WHERE sync = 'b'",
    )
    found = differences(ledger, warehouse)
    assert {name: (d.missing, d.extra, d.different) for name, d in found.items()} == {
        "dialnexa_enrolments": (3, 0, 0),
        "dialnexa_rejected_rows": (1, 1, 2),
        "dialnexa_enrolment_counts": (0, 0, 1),
    }


def test_a_row_that_stands_twice_in_a_table_without_a_key_is_one_too_many(
    ledger: Ledger, warehouse: str
) -> None:
    live(ledger, "a")
    follow(ledger, warehouse, "a")
    execute(
        warehouse,
        "CREATE TABLE copied AS SELECT * FROM dialnexa_enrolments",
        "DROP TABLE dialnexa_enrolments",
        "ALTER TABLE copied RENAME TO dialnexa_enrolments",
        "INSERT INTO dialnexa_enrolments SELECT * FROM dialnexa_enrolments WHERE lead_key = 'k0'",
    )
    found = differences(ledger, warehouse)["dialnexa_enrolments"]
    assert (found.missing, found.extra, found.different) == (0, 1, 0)


def test_a_plan_that_ended_before_it_was_ready_is_not_counted(
    ledger: Ledger, warehouse: str
) -> None:
    """It has not seen every source row, so its row would tell a wrong total."""
    half = ledger.plans.begin(sync="a", partition_key="", run_id="half")
    ledger.plans.refuse(
        half,
        refused_table([RefusedRow("wf_a", "bad", "invalid", "invalid/blank", None, "", None)]),
        [Count("wf_a", "invalid", "invalid/blank", 1)],
    )
    assert record_counts(ledger, warehouse, "a") == []
    live(ledger, "a")
    follow(ledger, warehouse, "a")
    assert {row[1] for row in contents(warehouse)["dialnexa_enrolment_counts"]} == {"a-0"}
    assert not any(differences(ledger, warehouse).values())


_FOLLOW = """
import sys
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.records import record_counts, record_enrolments, record_rejected_rows
with Ledger(sys.argv[1]) as ledger:
    for record in (record_enrolments, record_rejected_rows, record_counts):
        record(ledger, sys.argv[2], "a")
"""
_REBUILD = """
import sys
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.records import rebuild
with Ledger(sys.argv[1]) as ledger:
    rebuild(ledger, sys.argv[2], "a")
"""


@pytest.mark.servers
@pytest.mark.parametrize("point", ["records.written=kill@2", "records.marked=kill@1"])
@pytest.mark.parametrize("script", [_FOLLOW, _REBUILD], ids=["follow", "rebuild"])
def test_a_kill_between_ledger_and_warehouse_loses_nothing(
    ledger: Ledger, ledger_url: str, tmp_path: Path, script: str, point: str
) -> None:
    warehouse = f"duckdb:///{tmp_path / 'w.duckdb'}"
    live(ledger, "a")
    follow(ledger, warehouse, "a")
    live_on(ledger, "a")
    child = subprocess.run(
        [sys.executable, "-c", script, ledger_url, warehouse],
        env={**os.environ, "DIALNEXA_FAILPOINT": point},
        timeout=60,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    assert pending(ledger, "a") > 0
    follow(ledger, warehouse, "a")
    assert pending(ledger, "a") == 0
    assert not any(differences(ledger, warehouse).values())


def test_the_commands_rebuild_and_compare(
    ledger: Ledger, ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_LEDGER_URL", ledger_url)
    monkeypatch.setenv("DIALNEXA_WAREHOUSE_URL", f"duckdb:///{tmp_path / 'w.duckdb'}")
    live(ledger, "a")

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["records", *words])
        return result.exit_code, result.output

    code, said = run("compare")
    assert (code, "dialnexa records rebuild" in said) == (3, True)
    assert run("rebuild")[0] == 0
    assert run("compare", "--sync", "a")[0] == 0
    assert run("rebuild", "--sync", "nobody")[0] == 1
