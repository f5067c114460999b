"""A person's word in real runs: stop, approve, withdraw and erase."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from dialnexa_pipeline.enrolment import planning
from dialnexa_pipeline.settings import Settings
from tests.components.conftest import Project

pytestmark = pytest.mark.servers


def command(*words: str, exit_code: int = 0) -> str:
    """Run `dialnexa …`; its output in one line."""
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "400"})
    assert result.exit_code == exit_code, result.output
    return " ".join(result.output.split())


def failures(result: object) -> str:
    """The sentences of a run's failed steps."""
    events = result.all_events  # type: ignore[attr-defined]
    return " ".join(str(event.event_specific_data) for event in events if event.is_step_failure)


def test_a_stopped_sync_sends_nothing_and_says_who_stopped_it(project: Project) -> None:
    command("stop", "--sync", "loans", "--reason", "wrong script", "--who", "meena")
    result = project.run()
    assert not result.success
    assert "stopped by meena" in failures(result)
    assert "dialnexa resume --sync loans" in failures(result)
    assert project.outcomes(result) == {"planned": 120}
    assert project.sandbox.count_leads() == 0
    assert "wrong script" in command("doctor", "--project", str(project.folder), exit_code=1)

    command("resume", "--sync", "loans", "--reason", "mended")
    assert project.run(selection=["enrolments"]).success
    assert project.sandbox.count_leads() == 120


def test_a_stop_from_another_process_ends_a_run_at_the_next_batch(project: Project) -> None:
    project.sandbox.order_fault("slow", seconds=0.3, times=200, method="POST")
    seen: list[int] = []

    def stop_it() -> None:
        while project.sandbox.count_leads() == 0:
            time.sleep(0.05)
        stop = "from dialnexa_pipeline.cli import app; app(['stop', '--reason', 'halt'])"
        subprocess.run([sys.executable, "-c", stop], check=True, capture_output=True)
        seen.append(project.sandbox.count_leads())

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    result = project.run(batch={"max_rows": 1})
    stopper.join()
    assert not result.success
    enrolled = project.sandbox.count_leads()
    assert enrolled <= seen[0] + 1, "only the batch under way was finished"
    assert project.outcomes(result) == {"enrolled": enrolled, "planned": 120 - enrolled}


def test_a_held_plan_is_sent_only_once_somebody_approved_it(project: Project) -> None:
    guard = {"max_leads": 100}
    assert not project.run(guard=guard).success
    alone = project.run(guard=guard, selection=["enrolments"])
    assert not alone.success
    assert "120 leads are planned, more than guard.max_leads = 100" in failures(alone)
    assert "dialnexa approve loans --reason" in failures(alone)
    assert project.sandbox.count_leads() == 0

    assert "120 leads" in command("approve", "loans", "--reason", "launch", "--who", "meena")
    assert project.run(guard=guard, selection=["enrolments"]).success
    assert project.sandbox.count_leads() == 120

    project.fill("UPDATE leads SET mobile = replace(mobile, '98765', '98766')")
    assert not project.run(guard=guard).success
    assert project.sandbox.count_leads() == 120


def test_the_whole_job_run_again_uses_the_approval_once(project: Project) -> None:
    guard = {"max_growth": 1.5}
    project.fill("CREATE TABLE later AS SELECT * FROM leads; DELETE FROM leads WHERE id >= 10")
    assert project.run(guard=guard).success
    project.fill("INSERT INTO leads SELECT * FROM later WHERE id >= 10")
    held = project.run(guard=guard)
    (check,) = [c for c in held.get_asset_check_evaluations() if not c.passed]
    assert "times the median of recent runs (10)" in (check.description or "")

    command("approve", "loans", "--reason", "new campaign", "--who", "meena")
    again = project.run(guard=guard)
    assert again.success
    assert project.sandbox.count_leads() == 120
    said = [c.description for c in again.get_asset_check_evaluations()]
    assert any("Approved by meena: new campaign" in (text or "") for text in said)
    command("approve", "loans", "--reason", "again", exit_code=1)


def test_too_many_invalid_rows_hold_the_plan(project: Project) -> None:
    project.fill("UPDATE leads SET mobile = 'broken export' WHERE id < 30")
    result = project.run(guard={"max_reject_rate": 0.2})
    assert not result.success
    (check,) = [c for c in result.get_asset_check_evaluations() if not c.passed]
    assert "30 of 120 rows are invalid, a share of 0.25" in (check.description or "")
    assert project.sandbox.count_leads() == 0


PHONE = "+919876500007"


def test_a_withdrawn_person_leaves_the_workflow_and_is_never_enrolled_again(
    project: Project,
) -> None:
    project.run()
    said = command("withdraw", "--phone", "0091 98765 00007", "--reason", "asked for it")
    assert "Leads removed from their workflows: 1." in said
    assert "0007" not in said.replace("********0007", "")
    assert project.sandbox.count_leads() == 119
    assert project.rows(f"SELECT state FROM dialnexa_enrolments WHERE phone = '{PHONE}'") == [
        ("withdrawn",)
    ]

    project.fill("INSERT INTO leads VALUES (900, '9876500007', 'Again', now())")
    result = project.run()
    assert result.success
    assert project.outcomes(result) == {"duplicate": 119, "suppressed": 2}
    assert project.sandbox.count_leads() == 119
    assert "Withdrawn already: 1." in command("withdraw", "--phone", PHONE, "--reason", "again")


def test_withdrawing_by_lead_key_and_by_file(project: Project) -> None:
    project.run()
    listed = project.folder / "opt_outs.csv"
    listed.write_text(f"name;phone\nA;{PHONE}\nB;12\nC;\nD;+919876509999\n", encoding="utf-8")
    said = command("withdraw", "--file", str(listed), "--reason", "list", exit_code=1)
    assert "line 3: ** is not read" in said
    assert "+91******9999 is not enrolled anywhere" in said
    leads = ["--lead-key", "3", "--lead-key", "999", "--sync", "loans"]
    assert "Lead *** of the sync holds no claim" in command("withdraw", *leads, "--reason", "x")
    assert project.sandbox.count_leads() == 118


def test_a_number_that_was_never_enrolled_needs_nothing(project: Project) -> None:
    said = command("withdraw", "--phone", PHONE, "--reason", "asked")
    assert "is not enrolled anywhere" in said


def test_a_person_in_doubt_is_withdrawn_only_after_reconciling(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_ERASURE_KEY", "k" * 32)
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run(batch={"max_rows": 500})
    words = ["withdraw", "--phone", PHONE, "--reason", "asked", "--erase"]
    said = command(*words, exit_code=3)
    assert "Run `dialnexa reconcile`" in said
    assert "Numbers erased: 0 of 1." in said
    command("reconcile")
    assert "Numbers erased: 1 of 1." in command(*words)
    assert project.sandbox.count_leads() == 119


def test_a_person_is_withdrawn_before_being_sent(project: Project) -> None:
    project.run(selection=["screened_leads", "lead_batches"])
    said = command("withdraw", "--phone", PHONE, "--reason", "asked")
    assert "Withdrawn before they were sent: 1." in said
    assert "plans again: 49." in said
    project.run(selection=["enrolments"])
    assert project.sandbox.count_leads() == 70
    result = project.run()
    assert project.outcomes(result) == {"enrolled": 49, "duplicate": 70, "suppressed": 1}


def test_ids_that_no_answer_named_are_found_in_the_list(project: Project) -> None:
    project.run()
    ledger = f"sqlite:///{project.folder / 'ledger.db'}"
    engine = sa.create_engine(ledger)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM lead_ids"))
    engine.dispose()
    assert "Leads removed from their workflows: 1." in command(
        "withdraw", "--phone", PHONE, "--reason", "asked"
    )
    assert project.sandbox.count_leads() == 119


def test_a_command_killed_after_the_delete_is_run_again(project: Project) -> None:
    project.run()
    words = ["withdraw", "--phone", PHONE, "--reason", "asked"]
    script = f"from dialnexa_pipeline.cli import app; app({words!r})"
    killed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DIALNEXA_FAILPOINT": "withdraw.deleted=kill"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert project.sandbox.count_leads() == 119
    assert "Leads removed from their workflows: 1." in command(*words)
    assert project.rows(f"SELECT state FROM dialnexa_enrolments WHERE phone = '{PHONE}'") == [
        ("withdrawn",)
    ]


@pytest.mark.parametrize(("file_format", "database"), [("csv", "sqlite"), ("xlsx", "postgresql")])
def test_an_erased_person_is_nowhere_and_is_known_again(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    file_format: str,
    database: str,
) -> None:
    if database == "postgresql":
        monkeypatch.setenv("DIALNEXA_LEDGER_URL", request.getfixturevalue("postgres_url"))
    project.fill("INSERT INTO leads VALUES (900, '98765 00007 ext 5', 'Seven', now())")
    project.run(batch={"max_rows": 50, "format": file_format})
    words = ["withdraw", "--phone", PHONE, "--reason", "law", "--erase"]
    assert "DIALNEXA_ERASURE_KEY is not set" in command(*words, exit_code=1)
    monkeypatch.setenv("DIALNEXA_ERASURE_KEY", "k" * 32)
    assert "Numbers erased: 1 of 1." in command(*words)
    assert project.sandbox.count_leads() == 119
    assert traces(project) == []
    assert project.rows("SELECT state, phone FROM dialnexa_enrolments WHERE lead_key = '7'") == [
        ("withdrawn", None)
    ]

    project.fill("DELETE FROM leads WHERE id = 900")
    result = project.run(batch={"max_rows": 50, "format": file_format})
    assert result.success
    assert project.outcomes(result) == {"duplicate": 119, "suppressed": 1}
    assert project.sandbox.count_leads() == 119
    assert traces(project) == []
    listed = "SELECT reason, raw_phone, phone FROM dialnexa_rejected_rows WHERE lead_key = '7'"
    assert project.rows(listed) == [("suppressed/erased", None, None)]
    assert project.run(selection=["lead_batches"]).success, "from the redacted staged file"

    monkeypatch.setenv("DIALNEXA_ERASURE_KEY", "z" * 32)
    other_key = project.run()
    assert not other_key.success
    assert "another DIALNEXA_ERASURE_KEY" in failures(other_key)


def traces(project: Project) -> list[str]:
    """Where the erased number or name is still to be read, outside the source itself."""
    wanted = (b"9876500007", b"98765 00007", b"Lead 7\r", b"Lead 7,")
    found = [
        str(path)
        for path in [*project.folder.glob("ledger.db*"), *project.folder.glob("store/**/*.csv")]
        if any(each in path.read_bytes() for each in wanted)
    ]
    for path in project.folder.glob("store/**/*.parquet"):
        found += [str(path) for row in pq.read_table(path).to_pylist() if _tells(row.values())]
    for path in project.folder.glob("store/**/*.xlsx"):
        rows = (
            openpyxl.load_workbook(path, read_only=True).worksheets[0].iter_rows(values_only=True)
        )
        found += [str(path) for row in rows if _tells(row)]
    ledger = sa.create_engine(Settings.from_environment().ledger_url)
    with ledger.connect() as connection:
        for table in sa.inspect(ledger).get_table_names():
            rows = connection.execute(sa.text(f"SELECT * FROM {table}"))
            found += [table for row in rows if _tells(row)]
    ledger.dispose()
    for table in ("dialnexa_enrolments", "dialnexa_rejected_rows"):
        found += [table for row in project.rows(f"SELECT * FROM {table}") if _tells(row)]
    return found


def _tells(values: Iterable[object]) -> bool:
    return any(
        "9876500007" in str(value).replace(" ", "") or value in {"Lead 7", "Seven"}
        for value in values
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_who_is_erased_while_a_run_plans_is_not_called_again(
    project: Project, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    """Whether the planner looked for erased people at its start, or in this chunk, is all one."""
    monkeypatch.setenv("DIALNEXA_ERASURE_KEY", "k" * 32)
    project.run()
    if not is_first:
        command("withdraw", "--phone", "+919876500100", "--reason", "law", "--erase")
    project.fill("INSERT INTO leads VALUES (900, '98761 00900', 'New', now())")
    said: list[str] = []
    look_up = planning._Planner.plan

    def erased_before(self: planning._Planner, leads: pa.Table) -> planning.PlannedChunk:
        if not said:
            said.append(command("withdraw", "--phone", PHONE, "--reason", "law", "--erase"))
        return look_up(self, leads)

    monkeypatch.setattr(planning._Planner, "plan", erased_before)
    enrolled = project.sandbox.count_leads() - 1
    result = project.run()
    assert "Numbers erased: 1 of 1." in said[0]
    assert "or erased somebody" in failures(result)
    assert project.outcomes(project.run())["enrolled"] == 1
    assert project.sandbox.count_leads() == enrolled + 1
    phones = {lead["phone_number"] for lead in project.sandbox.leads("wf_home_loans")}
    assert PHONE not in phones


def test_who_is_withdrawn_in_doubt_and_was_never_received_is_not_called(project: Project) -> None:
    project.sandbox.order_fault("error_before", status=502, method="POST")
    project.run()
    words = ["withdraw", "--phone", PHONE, "--reason", "opt out"]
    assert "If DialNexa never received it, it stays withdrawn" in command(*words, exit_code=3)
    listed = f"SELECT reason FROM dialnexa_rejected_rows WHERE phone = '{PHONE}'"
    project.run()
    for _ in range(2):
        CliRunner().invoke(app, ["reconcile"])
    assert "Withdrawn already: 1." in command(*words)
    assert project.run().success
    assert project.rows(listed) == [("suppressed/withdrawn",)]
    assert project.sandbox.count_leads() == 119
    command("records", "compare")


def test_who_is_withdrawn_in_doubt_and_was_received_is_withdrawn_afterwards(
    project: Project,
) -> None:
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run()
    words = ["withdraw", "--phone", PHONE, "--reason", "opt out"]
    command(*words, exit_code=3)
    CliRunner().invoke(app, ["reconcile"])
    command(*words)
    assert project.run().success
    assert PHONE not in {lead["phone_number"] for lead in project.sandbox.leads("wf_home_loans")}
    command("records", "compare")
