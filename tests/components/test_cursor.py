"""A sync that names updated_at reads what changed, and nothing that was left open is lost."""

from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers

CURSOR: dict[str, Any] = {"source": BASE["source"] | {"updated_at": "updated_at"}}
# Of the 120 leads in the table, 40 have the newest moment: 3 January 2026 at noon.
NEWEST = 40


def insert(project: Project, key: int, updated_at: str, mobile: str | None = None) -> None:
    mobile = mobile if mobile is not None else f"98761 {key:05}"
    moment = f"TIMESTAMPTZ '{updated_at}'" if updated_at else "NULL"
    project.fill(f"INSERT INTO leads VALUES ({key}, '{mobile}', 'New', {moment})")


def source_rows(result: dg.ExecuteInProcessResult) -> int:
    (screened,) = result.asset_materializations_for_node("loans__screened_leads")
    return int(screened.metadata["dagster/row_count"].value)  # type: ignore[arg-type]


def said(result: dg.ExecuteInProcessResult) -> str:
    (screened,) = result.asset_materializations_for_node("loans__screened_leads")
    return str(screened.metadata["cursor/read"].value)


def fails(result: dg.ExecuteInProcessResult) -> list[str]:
    return [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]


def test_a_run_reads_what_changed_and_says_so(project: Project) -> None:
    first = project.run(**CURSOR)
    assert source_rows(first) == 120
    assert "it is new or was changed" in said(first)
    insert(project, 900, "2026-01-04 09:00Z")
    insert(project, 901, "")

    second = project.run(**CURSOR)
    assert project.outcomes(second) == {"enrolled": 2, "duplicate": NEWEST}
    assert said(second) == (
        "Rows whose updated_at is 2026-01-03 11:00:00 UTC or later, and rows without one. "
        "All of 2026-01-03 12:00:00 UTC and before is settled."
    )
    third = project.run(**CURSOR)
    assert project.outcomes(third) == {"duplicate": 2}
    assert fails(second) == fails(third) == []
    assert project.sandbox.count_leads() == 122


def test_a_run_that_reads_no_row_succeeds_and_keeps_the_cursor(project: Project) -> None:
    changes = CURSOR | {"cursor": {"look_back": "0m"}}
    project.run(**changes)
    project.fill("DELETE FROM leads WHERE updated_at = TIMESTAMPTZ '2026-01-03 12:00Z'")
    for _ in range(2):
        nothing = project.run(**changes)
        assert nothing.success
        assert source_rows(nothing) == 0
        assert fails(nothing) == []
    insert(project, 900, "2026-01-03 12:00Z")
    assert project.outcomes(project.run(**changes)) == {"enrolled": 1}


def test_a_moment_to_come_holds_back_no_row_before_it(project: Project) -> None:
    insert(project, 900, "2999-01-01 00:00Z")
    project.run(**CURSOR)
    insert(project, 901, "2026-01-04 09:00Z")
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 1, "duplicate": NEWEST + 1}


def test_a_late_row_is_read_within_the_look_back_and_by_a_full_scan(project: Project) -> None:
    project.run(**CURSOR)
    insert(project, 900, "2026-01-03 11:30Z")
    insert(project, 901, "2026-01-02 00:00Z")
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 1, "duplicate": NEWEST}
    full = project.run(full_scan=True, **CURSOR)
    assert project.outcomes(full) == {"enrolled": 1, "duplicate": 121}
    assert said(full) == "Every row. full_scan was asked for."


def test_everything_is_read_again_once_full_scan_is_due(project: Project) -> None:
    changes = CURSOR | {"cursor": {"full_scan": "0m"}}
    project.run(**changes)
    again = project.run(**changes)
    assert source_rows(again) == 120
    assert "cursor.full_scan" in said(again)
    never = CURSOR | {"cursor": {"full_scan": "never"}}
    assert source_rows(project.run(**never)) == NEWEST


@pytest.mark.parametrize(
    "change",
    [
        {"phone_types": ["fixed_line", "fixed_line_or_mobile", "mobile"]},
        {"variables": {"name": "name", "again": "name"}},
        {"required_variables": []},
        {"workflow": "wf_cards"},
        {"source": CURSOR["source"] | {"table": None, "query": "SELECT * FROM leads"}},
        {"source": CURSOR["source"] | {"default_country": "US"}},
    ],
)
def test_a_sync_that_was_changed_reads_everything(project: Project, change: Any) -> None:
    project.run(**CURSOR)
    screened = ["screened_leads"]
    assert source_rows(project.run(selection=screened, **(CURSOR | change))) == 120
    assert source_rows(project.run(selection=screened, **CURSOR)) == NEWEST


@pytest.mark.parametrize("steps", [["screened_leads"], ["screened_leads", "lead_batches"]])
def test_what_was_not_sent_is_read_again(project: Project, steps: list[str]) -> None:
    project.run(selection=steps, **CURSOR)
    insert(project, 900, "2026-01-04 09:00Z")
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 121}


def test_a_plan_that_was_staged_before_counts_once_it_is_sent(project: Project) -> None:
    project.run(selection=["screened_leads", "lead_batches"], **CURSOR)
    insert(project, 900, "2026-01-04 09:00Z")
    assert project.run(selection=["enrolments"], **CURSOR).success
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 1, "duplicate": NEWEST}


def test_rows_in_doubt_that_prove_absent_are_planned_again(project: Project) -> None:
    project.sandbox.order_fault("error_before", status=502, method="POST")
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 70, "in_doubt": 50}
    insert(project, 900, "2026-01-04 09:00Z")
    # Two listings must agree that the rows are absent.
    assert project.outcomes(project.run(**CURSOR)) == {
        "enrolled": 1,
        "duplicate": 70,
        "in_doubt": 50,
    }
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 50, "duplicate": 71}
    assert project.sandbox.count_leads() == 121
    assert project.outcomes(project.run(**CURSOR)) == {"duplicate": 1}


def test_a_held_plan_is_read_again_and_an_approved_one_counts(project: Project) -> None:
    guarded = CURSOR | {"guard": {"max_leads": 100}}
    assert not project.run(**guarded).success
    assert source_rows(project.run(selection=["screened_leads"], **guarded)) == 120
    approved = CliRunner().invoke(app, ["approve", "loans", "--reason", "right"])
    assert approved.exit_code == 0, approved.output
    assert project.run(selection=["enrolments"], **guarded).success
    assert project.sandbox.count_leads() == 120
    assert source_rows(project.run(**guarded)) == NEWEST


def test_leads_that_a_stop_left_planned_are_read_again(project: Project) -> None:
    CliRunner().invoke(app, ["stop", "--reason", "wait"])
    project.run(**CURSOR)
    CliRunner().invoke(app, ["resume", "--reason", "go"])
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 120}


def test_refused_rows_stay_listed_until_they_are_mended(project: Project) -> None:
    insert(project, 900, "2026-01-02 09:00Z", mobile="12")
    insert(project, 901, "2026-01-02 09:00Z", mobile="13")
    project.run(**CURSOR)
    listed = "SELECT lead_key FROM dialnexa_rejected_rows WHERE resolved_at IS NULL ORDER BY 1"
    project.run(**CURSOR)
    assert project.rows(listed) == [("900",), ("901",)]
    project.fill(
        "UPDATE leads SET mobile = '98761 00900', updated_at = '2026-01-05 09:00Z' WHERE id = 900"
    )
    assert project.outcomes(project.run(**CURSOR)) == {"enrolled": 1, "duplicate": NEWEST}
    assert project.rows(listed) == [("901",)]
    project.fill("DELETE FROM leads WHERE id = 901")
    project.run(**CURSOR)
    assert project.rows(listed) == [("901",)]
    assert project.run(full_scan=True, **CURSOR).success
    assert project.rows(listed) == []


def test_a_lead_that_moved_to_another_workflow_is_no_longer_listed_in_the_old(
    project: Project,
) -> None:
    project.fill("ALTER TABLE leads ADD COLUMN wf VARCHAR DEFAULT 'wf_home_loans'")
    project.fill("UPDATE leads SET wf = '' WHERE id < 2")
    routed = CURSOR | {"workflow": None, "workflow_column": "wf"}
    assert project.outcomes(project.run(**routed)) == {"enrolled": 118, "invalid": 2}
    project.fill(
        "UPDATE leads SET wf = 'wf_home_loans', updated_at = '2026-01-05 09:00Z' WHERE id = 0"
    )
    assert project.run(**routed).success
    listed = "SELECT lead_key FROM dialnexa_rejected_rows WHERE resolved_at IS NULL"
    assert project.rows(listed) == [("1",)]


def test_a_number_that_another_sync_held_and_never_sent_is_not_forgotten(project: Project) -> None:
    project.run(selection=["screened_leads", "lead_batches"], name="cards")
    assert project.outcomes(project.run(**CURSOR)) == {"duplicate": 120}
    project.fill("CREATE TABLE nobody AS FROM leads LIMIT 0")
    other = BASE["source"] | {"table": "nobody"}
    assert project.run(name="cards", source=other).success
    freed = project.run(**CURSOR)
    assert "nobody is enrolled" in said(freed)
    assert project.outcomes(freed) == {"enrolled": 120}


def test_the_preview_reads_what_the_run_would(project: Project, tmp_path: Any) -> None:
    (tmp_path / "defs.yaml").write_text(
        "type: dialnexa_pipeline.LeadSyncComponent\nattributes:\n  name: loans\n"
        "  source: {table: leads, key: id, phone: mobile, default_country: IN, "
        "updated_at: updated_at}\n  workflow: wf_home_loans\n  variables: {name: name}\n"
        "  required_variables: [name]\n",
        encoding="utf-8",
    )
    project.run(**CURSOR)
    insert(project, 900, "2026-01-04 09:00Z")
    command = ["preview", "loans", "--project", str(tmp_path)]
    changed = CliRunner().invoke(app, command)
    assert f"1 of {NEWEST + 1} source rows" in changed.output
    everything = CliRunner().invoke(app, [*command, "--full-scan"])
    assert "1 of 121 source rows" in everything.output
