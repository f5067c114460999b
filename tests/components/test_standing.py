"""`dialnexa status` names whoever no run calls unless somebody asks for it."""

from typing import Any

import pytest
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from tests.components.conftest import BASE, Project
from tests.components.test_commands import command

pytestmark = pytest.mark.servers

DAYS: dict[str, Any] = {
    "source": BASE["source"] | {"updated_at": "updated_at"},
    "partitions": {"every": "day", "start": "2026-01-01"},
}


def test_leads_that_a_paused_partition_left_planned_are_named_until_they_are_sent(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setenv("DIALNEXA_MAX_WAIT_SECONDS", "0")
        project.sandbox.order_fault("rate_limited", method="POST", retry_after=0)
        assert project.run(partition="2026-01-01", **DAYS).success
    assert project.run(partition="2026-01-02", **DAYS).success
    said = command("status", exit_code=3)
    assert "Sync loans, partition 2026-01-01: 40 leads are planned and not sent" in said
    assert "materialising loans/enrolments of that partition sends them" in said
    assert "2026-01-02: " not in said
    assert project.run(partition="2026-01-01", selection=["enrolments"], **DAYS).success
    assert "Nothing waits for anybody." in command("status")
    assert project.sandbox.count_leads() == 80


def test_leads_of_a_partition_that_never_arrived_are_named_until_it_is_run_again(
    project: Project,
) -> None:
    project.sandbox.order_fault("error_before", status=502, method="POST")
    project.run(partition="2026-01-01", **DAYS)
    for _ in range(2):
        CliRunner().invoke(app, ["reconcile"])
    said = command("status", exit_code=3)
    assert "partition 2026-01-01: the call for 40 leads was refused, or DialNexa never" in said
    assert "`dg launch --job loans --partition 2026-01-01` sends them" in said
    assert project.run(partition="2026-01-01", **DAYS).success
    assert "Nothing waits for anybody." in command("status")


def test_leads_whose_call_was_refused_are_named_until_the_sync_is_run_again(
    project: Project,
) -> None:
    project.sandbox.order_fault("error_before", status=402, method="POST")
    assert not project.run(batch={"max_rows": 80}).success
    said = command("status", exit_code=3)
    assert "Sync loans: the call for 80 leads was refused" in said
    assert "`dg launch --job loans` sends them" in said
    assert "Sync loans: 40 leads are planned and not sent" in said
    assert project.run().success
    assert "Nothing waits for anybody." in command("status")


def test_a_plan_that_nobody_has_sent_yet_waits_and_a_held_one_is_told_once(
    project: Project,
) -> None:
    assert project.run(selection=["screened_leads", "lead_batches"]).success
    assert "120 leads are planned and not sent" in command("status", exit_code=3)
    assert not project.run(guard={"max_leads": 100}).success
    said = command("status", exit_code=3)
    assert "is held" in said
    assert "planned and not sent" not in said
