"""A person's word in real runs: stop, approve, withdraw and erase."""

import subprocess
import sys
import threading
import time

import pytest
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
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
