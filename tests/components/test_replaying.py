"""A corrected sheet is sent once, and the wrong values at the source are not sent after it."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import typer
import yaml
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.replaying import sending
from tests.components.conftest import BASE, Project
from tests.components.test_commands import command, document

pytestmark = pytest.mark.servers

DIALNEXA = str(Path(sys.executable).with_name("dialnexa"))


@pytest.fixture
def refused(project: Project) -> Project:
    """A project after a run that refused a blank, a formula and a number DialNexa cannot call."""
    project.fill(
        "INSERT INTO leads VALUES (501, '', 'Blank', now()), (502, '=1+1', 'Formula', now()), "
        "(503, '+49 1512 3456789', 'Abroad', now()), (504, '98765 50004', '', now())"
    )
    write_yaml(project)
    project.run()
    assert project.sandbox.count_leads() == 120
    return project


def write_yaml(project: Project, **changes: Any) -> None:
    sync = {"type": "dialnexa_pipeline.LeadSyncComponent", "attributes": {**BASE, **changes}}
    (project.folder / "defs.yaml").write_text(yaml.safe_dump(sync), encoding="utf-8")


def sheet_of(project: Project, mended: Mapping[str, Mapping[str, str]]) -> Path:
    """The sheet of `dialnexa rejected`, with some leads' cells typed over."""
    path = project.folder / "mend.xlsx"
    command("rejected", "loans", "--xlsx", str(path), "--project", str(project.folder))
    book = openpyxl.load_workbook(path)
    sheet: Any = book.active
    columns = {cell.value: cell.column for cell in sheet[1]}
    for row in range(2, sheet.max_row + 1):
        for column, text in mended.get(sheet.cell(row, columns["lead_key"]).value, {}).items():
            sheet.cell(row, columns[column], text)
    book.save(path)
    return path


def replay(project: Project, sheet: Path, *options: str, exit_code: int = 0) -> str:
    words = ("replay", "loans", str(sheet), "--project", str(project.folder), *options)
    return command(*words, exit_code=exit_code)


def listed(project: Project) -> set[tuple[str, str]]:
    """Lead and reason of the rows that the warehouse shows as standing unenrolled."""
    return set(
        project.rows(
            "SELECT lead_key, reason FROM dialnexa_rejected_rows WHERE resolved_at IS NULL"
        )
    )


def numbers_of(project: Project, lead_key: str) -> list[str]:
    """The numbers under which a lead is enrolled."""
    rows = project.rows(
        f"SELECT phone FROM dialnexa_enrolments WHERE lead_key = '{lead_key}' ORDER BY phone"
    )
    return [row[0] for row in rows]


def test_a_mended_row_is_called_once_and_never_by_its_old_number(refused: Project) -> None:
    sheet = sheet_of(
        refused, {"501": {"raw_phone": "98765 50001"}, "503": {"raw_phone": "9876550003"}}
    )
    asked = replay(refused, sheet, "--dry-run")
    assert "2 people would be called." in asked
    assert "98765" not in asked
    assert refused.sandbox.count_leads() == 120
    said = replay(refused, sheet, "--yes")
    assert "Row 2: lead 501 is mended" in said
    assert "lead 502 is unchanged" in said
    assert refused.sandbox.count_leads() == 122
    assert numbers_of(refused, "503") == ["+919876550003"]
    assert listed(refused) == {("502", "invalid/formula"), ("504", "invalid/blank_variable")}

    again = replay(refused, sheet, "--yes")
    assert "lead 501 is enrolled already (duplicate/already_enrolled)" in again
    assert "Nobody is to be called" in again

    # The source still holds a blank and a number that DialNexa refuses.
    preview = document("preview", "loans", "--project", str(refused.folder))
    counts = {each["reason"]: each["leads"] for each in preview["counts"]}
    assert counts["duplicate/already_enrolled"] == 122
    later = refused.run()
    assert refused.outcomes(later) == {"duplicate": 122, "invalid": 2}
    (batches,) = later.asset_materializations_for_node("loans__lead_batches")
    assert "|2|a replayed sheet (replay-" in str(batches.metadata["already_enrolled"].value)
    assert refused.sandbox.count_leads() == 122
    assert listed(refused) == {("502", "invalid/formula"), ("504", "invalid/blank_variable")}
    command("records", "compare")


def called_meanwhile(project: Project) -> None:
    """Lead 501 gets a number at the source, and a whole run calls it."""
    project.fill("UPDATE leads SET mobile = '98765 50009' WHERE id = 501")
    assert project.run().success


def test_a_lead_that_a_run_calls_while_somebody_looks_at_the_preview_is_left_out(
    refused: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = {"501": {"raw_phone": "98765 50001"}, "503": {"raw_phone": "98765 50003"}}
    sheet = sheet_of(refused, mended)

    def confirm(_text: str) -> bool:
        called_meanwhile(refused)
        return True

    monkeypatch.setattr(typer, "confirm", confirm)
    said = replay(refused, sheet, exit_code=3)
    assert "Lead 501 was left out: by now it is enrolled already" in said
    assert numbers_of(refused, "501") == ["+919876550009"]
    assert numbers_of(refused, "503") == ["+919876550003"]
    refused.fill("UPDATE leads SET mobile = '' WHERE id = 501")
    refused.run()
    assert numbers_of(refused, "501") == ["+919876550009"], "nothing of the sheet is kept for it"


def test_a_lead_that_a_run_calls_while_the_corrections_are_kept_is_left_out(
    refused: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    monkeypatch.setattr(sending, "reach", lambda _point: called_meanwhile(refused))
    said = replay(refused, sheet, "--yes", exit_code=3)
    assert "Lead 501 was left out: by now it is enrolled already" in said
    assert numbers_of(refused, "501") == ["+919876550009"]
    with Ledger(f"sqlite:///{refused.folder / 'ledger.db'}") as ledger:
        assert ledger.corrections.of_sync("loans") == ([], 0)


def test_somebody_who_says_no_keeps_everything_as_it_was(refused: Project) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    words = ["replay", "loans", str(sheet), "--project", str(refused.folder)]
    answer = CliRunner().invoke(app, words, input="n\n")
    assert answer.exit_code == 3
    assert "Call 1 people now?" in answer.output
    assert refused.outcomes(refused.run())["invalid"] == 3
    assert refused.sandbox.count_leads() == 120


def test_a_blank_variable_and_a_missing_country_are_filled_in(refused: Project) -> None:
    sheet = sheet_of(
        refused,
        {
            "504": {"var:name": "Asha"},
            "502": {"raw_phone": "0650 123 4567", "country": "AT", "var:name": "not wanted"},
        },
    )
    replay(refused, sheet, "--yes", exit_code=3)
    assert numbers_of(refused, "504") == ["+919876550004"]
    names = {lead["phone_number"]: lead for lead in refused.sandbox.leads("wf_home_loans")}
    assert names["+919876550004"]["dynamic_variables"]["name"] == "Asha"
    # A country that the sandbox does not enable: DialNexa's word, about the number as mended.
    assert ("502", "rejected/unsupported_destination_country") in listed(refused)


def test_the_source_is_right_again_once_its_row_changes(refused: Project) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    replay(refused, sheet, "--yes")
    refused.fill("UPDATE leads SET mobile = '98765 60001' WHERE id = 501")
    refused.run()
    assert numbers_of(refused, "501") == ["+919876550001", "+919876560001"]


def test_a_row_that_the_source_mended_meanwhile_is_left_to_it(refused: Project) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    refused.fill("UPDATE leads SET mobile = '98765 60001' WHERE id = 501")
    said = replay(refused, sheet, "--yes", exit_code=3)
    assert "lead 501 was changed at the source since; the next run reads it." in said
    assert refused.sandbox.count_leads() == 120


def test_an_unsent_plan_of_the_sync_keeps_its_claims(refused: Project) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    refused.fill("INSERT INTO leads VALUES (700, '98765 70000', 'New', now())")
    refused.run(selection=["screened_leads", "lead_batches"])
    assert "503 is in a batch of another run" in replay(refused, sheet, "--yes", exit_code=3)
    assert refused.sandbox.count_leads() == 121
    sent = refused.run(selection=["enrolments"])
    assert sent.success
    assert refused.sandbox.count_leads() == 122
    assert numbers_of(refused, "700") == ["+919876570000"]


def test_leads_screened_before_a_replay_are_not_planned(refused: Project) -> None:
    sheet = sheet_of(refused, {"503": {"raw_phone": "98765 50003"}})
    refused.run(selection=["screened_leads"])
    replay(refused, sheet, "--yes")
    planned = refused.run(selection=["lead_batches"])
    assert not planned.success
    (failed,) = planned.get_step_failure_events()
    assert "materialise loans/screened_leads again" in str(failed.event_specific_data)
    assert refused.run().success
    assert refused.sandbox.count_leads() == 121


def test_a_replay_waits_for_a_run_that_is_planning(
    refused: Project, sqlite_ledger_url: str
) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    with Ledger(sqlite_ledger_url) as ledger:
        ledger.plans.begin(sync="loans", partition_key="", run_id="elsewhere")
        said = replay(refused, sheet, "--yes", exit_code=1)
        assert "is planning at this moment. Nothing was sent" in said
        assert refused.sandbox.count_leads() == 120
    # Somebody confirmed the sheet, so whoever plans next takes the row.
    refused.run()
    assert numbers_of(refused, "501") == ["+919876550001"]
    assert "is enrolled already" in replay(refused, sheet, "--yes")


@pytest.mark.parametrize(
    ("kill", "goes_on"),
    [
        ("replay.kept=kill", "run"),
        ("plan.claimed=kill", "sheet"),
        ("plan.ready=kill", "run"),
        ("send.taken=kill", "sheet"),
        ("send.answered=kill", "run"),
        ("records.written=kill", "sheet"),
    ],
)
def test_a_replay_killed_anywhere_is_finished_by_whoever_comes_next(
    refused: Project, monkeypatch: pytest.MonkeyPatch, kill: str, goes_on: str
) -> None:
    sheet = sheet_of(
        refused, {"501": {"raw_phone": "98765 50001"}, "503": {"raw_phone": "98765 50003"}}
    )
    monkeypatch.setenv("DIALNEXA_LEASE_SECONDS", "1")
    words = [DIALNEXA, "replay", "loans", str(sheet), "--yes", "--project", str(refused.folder)]
    killed = subprocess.run(words, env={**os.environ, "DIALNEXA_FAILPOINT": kill}, check=False)
    assert killed.returncode == -signal.SIGKILL
    time.sleep(1.2)
    CliRunner().invoke(app, ["reconcile"])
    CliRunner().invoke(app, ["reconcile"])
    if goes_on == "sheet":
        CliRunner().invoke(app, words[1:])
    refused.run()
    # What a killed replay claimed and did not send waits for its sheet, or for a week.
    CliRunner().invoke(app, words[1:])
    assert refused.sandbox.count_leads() == 122
    assert numbers_of(refused, "501") == ["+919876550001"]
    assert numbers_of(refused, "503") == ["+919876550003"]
    assert refused.outcomes(refused.run()) == {"duplicate": 122, "invalid": 2}
    assert listed(refused) == {("502", "invalid/formula"), ("504", "invalid/blank_variable")}
    command("records", "compare")


def test_a_row_that_a_replay_could_not_send_is_read_again_by_a_run_with_a_cursor(
    project: Project,
) -> None:
    cursor = {"source": BASE["source"] | {"updated_at": "updated_at"}}
    project.fill("INSERT INTO leads VALUES (501, '', 'Blank', TIMESTAMPTZ '2026-01-01 09:00Z')")
    write_yaml(project, **cursor)
    project.run(**cursor)
    sheet = sheet_of(project, {"501": {"raw_phone": "98765 50001"}})
    project.sandbox.order_fault("error_before", status=502, method="POST")
    replay(project, sheet, "--yes", exit_code=3)
    for _ in range(2):
        CliRunner().invoke(app, ["reconcile"])
    assert listed(project) == {("501", "planned/not_received")}
    assert project.run(**cursor).success
    assert numbers_of(project, "501") == ["+919876550001"]
    assert project.sandbox.count_leads() == 121


def test_a_replay_in_doubt_is_settled_and_not_sent_again(refused: Project) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    refused.sandbox.order_fault("error_after", status=504, method="POST")
    assert "in_doubt" in replay(refused, sheet, "--yes", exit_code=3)
    assert "`dialnexa reconcile` settles it" in replay(refused, sheet, "--yes", exit_code=3)
    command("reconcile")
    assert "is enrolled already" in replay(refused, sheet, "--yes")
    assert refused.sandbox.count_leads() == 121


def test_a_sheet_that_was_planned_and_not_sent_is_what_to_go_on_with(refused: Project) -> None:
    sheet = sheet_of(refused, {"501": {"raw_phone": "98765 50001"}})
    command("stop", "--reason", "lunch")
    assert "was stopped by" in replay(refused, sheet, "--yes", exit_code=1)
    command("resume", "--reason", "eaten")
    again = "the same `dialnexa replay"
    assert again in command("explain", "501")
    assert again in command("doctor", "--project", str(refused.folder))
    assert ("501", "planned/not_sent") in listed(refused)
    replay(refused, sheet, "--yes", exit_code=0)
    assert refused.sandbox.count_leads() == 121


def test_a_guard_holds_a_sheet_until_somebody_approves(refused: Project) -> None:
    write_yaml(refused, guard={"max_leads": 1})
    mended = {"501": {"raw_phone": "98765 50001"}, "502": {"raw_phone": "98765 50002"}}
    sheet = sheet_of(refused, mended)
    assert "dialnexa approve loans --partition replay" in replay(
        refused, sheet, "--yes", exit_code=1
    )
    assert refused.sandbox.count_leads() == 120
    command("approve", "loans", "--partition", "replay", "--reason", "looked at", "--who", "meena")
    replay(refused, sheet, "--yes")
    assert refused.sandbox.count_leads() == 122


def test_a_small_replay_is_no_measure_of_the_next_run(refused: Project) -> None:
    replay(refused, sheet_of(refused, {"501": {"raw_phone": "98765 50001"}}), "--yes")
    refused.fill(
        "INSERT INTO leads SELECT 1000 + i, '98764' || lpad(i::varchar, 5, '0'), 'More', now() "
        "FROM range(100) t(i)"
    )
    refused.run(guard={"max_growth": 1.0})
    assert refused.sandbox.count_leads() == 221


def test_a_csv_with_escapes_is_read_as_it_was_typed(refused: Project) -> None:
    sheet = refused.folder / "mend.csv"
    rows = [
        {"lead_key": '="501"', "raw_phone": '="+91 98765 50001"'},
        {"lead_key": "502", "raw_phone": "'+919876550002"},
        {"lead_key": "502", "raw_phone": "98765 50009"},
        {"lead_key": "999", "raw_phone": "98765 50009"},
        {"lead_key": "7", "raw_phone": "98765 50009"},
        {"lead_key": "503", "raw_phone": "12"},
    ]
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["lead_key", "raw_phone"])
        writer.writeheader()
        writer.writerows(rows)
    words = ["replay", "loans", str(sheet), "--project", str(refused.folder), "--yes"]
    told = document(*words, exit_code=3)
    verdicts = [(each["row"], each["verdict"]) for each in told["rows"]]
    assert verdicts == [
        (2, "mended"),
        (3, "mended"),
        (4, "refused"),
        (5, "unknown"),
        (6, "enrolled"),
        (7, "refused"),
    ]
    assert "invalid/too_short" in told["rows"][5]["sentence"]
    assert sum(count["leads"] for count in told["sent"]) == 2
    assert refused.sandbox.count_leads() == 122
    assert "cannot ask" in command(*words[:-1], "--json", exit_code=2)


def test_a_lead_without_a_workflow_is_given_one(project: Project) -> None:
    project.fill(
        "CREATE TABLE routed AS SELECT *, CASE WHEN id < 2 THEN 'wf_home_loans' END AS wf "
        "FROM leads WHERE id < 3"
    )
    changes = {
        "source": {**BASE["source"], "table": "routed"},
        "workflow": None,
        "workflow_column": "wf",
    }
    write_yaml(project, **changes)
    project.run(**changes)
    assert listed(project) == {("2", "invalid/blank_workflow")}
    replay(project, sheet_of(project, {"2": {"workflow_id": "wf_insurance"}}), "--yes")
    assert project.sandbox.count_leads() == 3
    assert listed(project) == set()
    assert project.outcomes(project.run(**changes)) == {"duplicate": 3}


def test_a_sheet_that_is_none_is_refused_in_a_sentence(refused: Project) -> None:
    nowhere = refused.folder / "no.xlsx"
    assert "There is no file" in replay(refused, nowhere, exit_code=1)
    other = refused.folder / "other.csv"
    other.write_text("id,mobile\n1,2\n")
    assert "has no column lead_key and no column raw_phone" in replay(refused, other, exit_code=1)
