"""Ranges of partitions: one run or many, overlapping or again, nobody twice and nobody lost."""

from collections.abc import Generator
from typing import Any

import dagster as dg
import pytest
from dagster import AssetKey
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from dialnexa_pipeline.ledger import Ledger
from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers

DAYS: dict[str, Any] = {
    "source": BASE["source"] | {"updated_at": "updated_at"},
    "partitions": {"every": "day", "start": "2026-01-01", "backfill": "single_run"},
}
JANUARY = "2026-01-01...2026-01-03"


def backfill(
    project: Project, first: str, last: str, *, selection: list[str] | None = None, **changes: Any
) -> dg.ExecuteInProcessResult:
    return project.run(
        tags={
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        },
        selection=selection,
        **(DAYS | changes),
    )


def phones(project: Project) -> list[str]:
    return [lead["phone_number"] for lead in project.sandbox.leads("wf_home_loans")]


@pytest.fixture(autouse=True)
def nobody_twice(project: Project) -> Generator[None]:
    yield
    assert len(phones(project)) == len(set(phones(project)))


def test_a_range_in_one_run_is_one_plan_and_every_partition_is_materialized(
    project: Project,
) -> None:
    result = backfill(project, "2026-01-01", "2026-01-03")
    assert result.success
    assert project.outcomes(result) == {"enrolled": 120}
    assert [c.check_name for c in result.get_asset_check_evaluations() if not c.passed] == []
    counts = project.rows(
        "SELECT partition_key, source_rows, enrolled FROM dialnexa_enrolment_counts"
    )
    assert counts == [(JANUARY, 120, 120)]
    for asset in ("screened_leads", "lead_batches", "enrolments", "rejected_rows"):
        done = project.instance.get_materialized_partitions(AssetKey(["loans", asset]))
        assert done == {"2026-01-01", "2026-01-02", "2026-01-03"}


def test_a_range_of_one_day_is_that_day(project: Project) -> None:
    backfill(project, "2026-01-01", "2026-01-01")
    assert project.rows("SELECT partition_key FROM dialnexa_enrolment_counts") == [("2026-01-01",)]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_a_day_of_a_date_column_is_the_partition_of_its_name(project: Project, zone: str) -> None:
    project.fill("ALTER TABLE leads ALTER updated_at TYPE DATE")
    result = project.run(partition="2026-01-02", timezone=zone, **DAYS)
    assert project.outcomes(result) == {"enrolled": 40}
    listed = (
        "SELECT count(*) FROM leads JOIN dialnexa_enrolments ON lead_key = id::VARCHAR "
        "WHERE updated_at = DATE '2026-01-02'"
    )
    assert project.rows(listed) == [(40,)]


def test_rows_that_lie_in_no_partition_are_counted_and_warned_of(project: Project) -> None:
    def told(result: dg.ExecuteInProcessResult) -> tuple[Any, list[str]]:
        screened = result.asset_materializations_for_node("loans__screened_leads")[0]
        said = [entry.user_message for entry in project.instance.all_logs(result.run_id)]
        about = [message for message in said if "lie in no partition" in message]
        return screened.metadata["rows_without_moment"].value, about

    assert told(project.run(partition="2026-01-02", **DAYS)) == (0, [])
    project.fill("UPDATE leads SET updated_at = NULL WHERE id < 3")
    rows, (said,) = told(project.run(partition="2026-01-03", **DAYS))
    assert rows == 3
    assert said.startswith("3 rows of the source have no moment in updated_at")
    assert "Fill updated_at in" in said


def test_the_same_range_again_enrols_nobody_and_says_why(project: Project) -> None:
    first = backfill(project, "2026-01-01", "2026-01-02")
    again = backfill(project, "2026-01-01", "2026-01-02")
    assert project.outcomes(again) == {"duplicate": 80}
    batches = again.asset_materializations_for_node("loans__lead_batches")[0]
    assert "duplicate/already_enrolled" in str(batches.metadata["reasons"].value)
    assert f"(/runs/{first.run_id})" in str(batches.metadata["already_enrolled"].value)
    assert project.sandbox.count_leads() == 80


def test_a_live_day_and_an_overlapping_range_share_their_leads(project: Project) -> None:
    project.run(partition="2026-01-02", **DAYS)
    assert project.outcomes(backfill(project, "2026-01-01", "2026-01-02")) == {
        "enrolled": 40,
        "duplicate": 40,
    }
    assert project.outcomes(backfill(project, "2026-01-02", "2026-01-03")) == {
        "enrolled": 40,
        "duplicate": 40,
    }


def test_a_row_corrected_at_the_source_is_enrolled_by_the_range_once(project: Project) -> None:
    project.fill("UPDATE leads SET mobile = '12' WHERE id = 1")
    assert project.outcomes(project.run(partition="2026-01-02", **DAYS)) == {
        "enrolled": 39,
        "invalid": 1,
    }
    project.fill("UPDATE leads SET mobile = '98765 77777' WHERE id = 1")
    backfill(project, "2026-01-01", "2026-01-03")
    assert project.sandbox.count_leads() == 120
    listed = "SELECT count(*) FROM dialnexa_rejected_rows WHERE resolved_at IS NULL"
    assert project.rows(listed) == [(0,)]


def test_a_range_resolves_what_left_a_day_that_it_covers(project: Project) -> None:
    project.fill("UPDATE leads SET mobile = '12' WHERE id IN (1, 2)")
    project.run(partition="2026-01-02", **DAYS)
    project.run(partition="2026-01-03", **DAYS)
    project.fill("DELETE FROM leads WHERE id IN (1, 2)")
    backfill(project, "2026-01-01", "2026-01-02")
    listed = "SELECT lead_key FROM dialnexa_rejected_rows WHERE resolved_at IS NULL"
    assert project.rows(listed) == [("2",)]


def test_a_range_takes_over_what_a_day_planned_and_never_sent(project: Project) -> None:
    preview = ["screened_leads", "lead_batches"]
    project.run(partition="2026-01-02", selection=preview, **DAYS)
    assert project.outcomes(backfill(project, "2026-01-01", "2026-01-03")) == {"enrolled": 120}
    late = project.run(partition="2026-01-02", selection=["enrolments"], **DAYS)
    assert not late.success
    assert project.sandbox.count_leads() == 120


def test_a_preview_of_a_range_keeps_its_leads_until_it_is_sent(project: Project) -> None:
    backfill(project, "2026-01-01", "2026-01-03", selection=["screened_leads", "lead_batches"])
    day = project.run(partition="2026-01-02", **DAYS)
    assert project.outcomes(day) == {"planned": 40}
    sent = backfill(project, "2026-01-01", "2026-01-03", selection=["enrolments"])
    assert project.outcomes(sent) == {"enrolled": 120}
    assert project.outcomes(project.run(partition="2026-01-02", **DAYS)) == {"duplicate": 40}


def test_a_day_takes_over_from_a_range_that_broke_off(project: Project) -> None:
    project.sandbox.order_fault("error_before", status=402, method="POST")
    assert not backfill(project, "2026-01-01", "2026-01-03").success
    assert project.outcomes(project.run(partition="2026-01-03", **DAYS)) == {"enrolled": 40}
    assert backfill(project, "2026-01-01", "2026-01-03").success
    assert project.sandbox.count_leads() == 120


def test_a_range_that_a_guard_holds_is_approved_by_its_key(project: Project) -> None:
    guard = {"guard": {"max_leads": 100}}
    held = backfill(project, "2026-01-01", "2026-01-03", **guard)
    assert not held.success
    (check,) = [c for c in held.get_asset_check_evaluations() if not c.passed][:1]
    assert f"dialnexa approve loans --partition {JANUARY}" in (check.description or "")
    approve = ["approve", "loans", "--partition", JANUARY, "--reason", "right"]
    assert CliRunner().invoke(app, approve).exit_code == 0
    assert backfill(project, "2026-01-01", "2026-01-03", selection=["enrolments"], **guard).success
    assert project.sandbox.count_leads() == 120


def test_screened_leads_of_another_range_are_not_planned(project: Project) -> None:
    backfill(project, "2026-01-01", "2026-01-03", selection=["screened_leads"])
    result = backfill(project, "2026-01-01", "2026-01-02", selection=["lead_batches"])
    assert not result.success
    again = backfill(project, "2026-01-01", "2026-01-03", selection=["lead_batches"])
    assert again.success
    with Ledger(f"sqlite:///{project.folder / 'ledger.db'}") as ledger:
        (account,) = ledger.accounts.latest(sync="loans")
    assert account.plan.partition_key == JANUARY


def test_a_preview_of_a_range(project: Project, tmp_path: Any) -> None:
    (tmp_path / "defs.yaml").write_text(
        "type: dialnexa_pipeline.LeadSyncComponent\nattributes:\n  name: loans\n"
        "  source: {table: leads, key: id, phone: mobile, default_country: IN, "
        "updated_at: updated_at}\n  workflow: wf_home_loans\n  variables: {name: name}\n"
        "  partitions: {every: day, start: 2026-01-01}\n",
        encoding="utf-8",
    )
    command = ["preview", "loans", "--project", str(tmp_path), "--partition"]
    result = CliRunner().invoke(app, [*command, "2026-01-01...2026-01-02"])
    assert "80 of 80 source rows" in result.output
    backwards = CliRunner().invoke(app, [*command, "2026-01-02...2026-01-01"])
    assert backwards.exit_code == 1
    assert "first...last for a range" in backwards.output.replace("\n", " ")
