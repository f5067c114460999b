"""Outcomes come home: each change of a lead's status is recorded once, joined on its own key."""

import os
import signal
import subprocess
import sys
from typing import Any

import dagster as dg
import httpx
import pyarrow as pa
import pytest

from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.records import ProgressRecorder, differences
from dialnexa_pipeline.settings import Settings
from tests.components.conftest import BASE, Project
from tests.components.test_people import command, failures

pytestmark = pytest.mark.servers

TABLE = "dialnexa_lead_progress"
ON: dict[str, Any] = {"progress": {"schedule": "0 * * * *"}}


def follow(project: Project, **changes: Any) -> dg.ExecuteInProcessResult:
    """A run of the sync's progress job."""
    job = project.definitions(**ON, **changes).resolve_job_def("loans_progress")
    return job.execute_in_process(instance=project.instance, raise_on_error=False)


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The numbers that the UI plots."""
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    return {
        name: value.value
        for name, value in metadata.items()
        if name.startswith(("leads/", "leads_of", "leads_un", "changes", "share"))
    }


def upload_by_hand(project: Project, header: str, *rows: str) -> None:
    """Somebody else enrols leads in the sync's workflow."""
    files = {"file": ("x.csv", "\r\n".join([header, *rows]).encode())}
    headers = {"authorization": f"Bearer {project.sandbox.api_key}"}
    url = f"{project.sandbox.base_url}/workflows/wf_home_loans/leads"
    httpx.post(url, files=files, headers=headers).raise_for_status()


@pytest.mark.parametrize("form", ["whole", "paged"])
def test_a_change_is_a_row_and_an_unchanged_status_is_none(project: Project, form: str) -> None:
    project.run(**ON)
    project.sandbox.behave(list_form=form)
    assert shown(follow(project)) == {
        "changes": 120,
        "leads/pending": 120,
        "leads_unlisted": 0,
        "leads_of_others": 0,
        "share_completed": 0.0,
    }
    assert shown(follow(project))["changes"] == 0
    project.sandbox.advance()
    project.sandbox.advance()
    after = shown(follow(project))
    assert (after["changes"], after["leads/completed"], after["share_completed"]) == (120, 84, 0.7)
    assert project.rows(f"SELECT count(*), count(DISTINCT run_id) FROM {TABLE}") == [(240, 2)]
    assert project.rows(
        f"SELECT change_no, status, first_seen_at < observed_at FROM {TABLE} p "
        "JOIN leads ON leads.id = p.lead_key WHERE leads.name = 'Lead 7' ORDER BY change_no"
    ) == [(1, "pending", False), (2, "failed", True)]


def test_leads_of_others_are_counted_and_not_recorded(project: Project) -> None:
    project.run(**ON)
    upload_by_hand(project, "phone_number,name,enrolment_ref", "+919876500003,Three,theirs")
    upload_by_hand(project, "phone_number,name", "+919876500004,Four", "+919811111111,New")
    assert shown(follow(project))["leads_of_others"] == 3
    assert project.rows(f"SELECT count(*), count(DISTINCT lead_key) FROM {TABLE}") == [(120, 120)]


@pytest.mark.parametrize("answer", ["map", "count"])
def test_without_the_column_the_id_or_the_number_tells(project: Project, answer: str) -> None:
    project.sandbox.behave(upload_form=answer)
    project.run(enrolment_ref=None, **ON)
    upload_by_hand(project, "phone_number,name", "+919811111111,New")
    result = shown(follow(project, enrolment_ref=None))
    assert (result["changes"], result["leads_of_others"]) == (120, 1)
    assert project.rows(
        f"SELECT count(*) FROM {TABLE} p JOIN dialnexa_enrolments e USING (enrolment_ref) "
        "WHERE p.lead_key = e.lead_key AND p.lead_id IS NOT NULL"
    ) == [(120,)]


def test_a_lead_that_leaves_the_list_is_told_once(project: Project) -> None:
    project.run(**ON)
    follow(project)
    lead = project.sandbox.leads("wf_home_loans")[5]
    headers = {"authorization": f"Bearer {project.sandbox.api_key}"}
    url = f"{project.sandbox.base_url}/workflows/wf_home_loans/leads/{lead['id']}"
    httpx.delete(url, headers=headers).raise_for_status()
    result = shown(follow(project))
    assert (result["changes"], result["leads_unlisted"]) == (1, 1)
    assert shown(follow(project))["changes"] == 0
    gone = f"SELECT lead_key, change_no FROM {TABLE} WHERE status = 'not_listed'"
    assert project.rows(gone) == [("5", 2)]


def test_an_older_listing_does_not_undo_a_newer_one(project: Project) -> None:
    project.run(**ON)
    settings = Settings.from_environment()
    with Ledger(settings.ledger_url) as ledger, ProgressRecorder(ledger, "loans") as slow:
        slow.add("wf_home_loans", iter(()))
        follow(project)
        assert slow.write(settings.warehouse_url, "slow")[0].changes == 0
    assert project.rows(f"SELECT count(*) FROM {TABLE}") == [(120,)]


@pytest.mark.parametrize("point", ["progress.listed=kill@1", "progress.written=kill@1"])
def test_a_kill_loses_nothing_and_repeats_nothing(project: Project, point: str) -> None:
    project.run(**ON)
    follow(project)
    project.sandbox.advance()
    script = (
        "import dagster as dg\n"
        "from dialnexa_pipeline.components import default_resources, sync_definitions\n"
        "from dialnexa_pipeline.sync import SyncConfig\n"
        f"config = SyncConfig.model_validate({ {**BASE, **ON}!r})\n"
        "defs = dg.Definitions.merge(sync_definitions(config), "
        "dg.Definitions(resources=default_resources()))\n"
        "defs.resolve_job_def('loans_progress').execute_in_process()\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DIALNEXA_FAILPOINT": point},
        timeout=120,
        check=False,
        capture_output=True,
    )
    assert child.returncode == -signal.SIGKILL
    assert follow(project).success
    assert project.rows(f"SELECT status, count(*) FROM {TABLE} GROUP BY 1 ORDER BY 1") == [
        ("in_progress", 120),
        ("pending", 120),
    ]


def test_a_list_that_cannot_be_read_is_one_sentence_and_the_others_are_recorded(
    project: Project,
) -> None:
    project.fill(
        "ALTER TABLE leads ADD COLUMN wf VARCHAR; UPDATE leads SET wf = "
        "CASE WHEN id % 2 = 0 THEN 'wf_home_loans' ELSE 'wf_insurance' END"
    )
    routed = {"workflow": None, "workflow_column": "wf"}
    project.run(**ON, **routed)
    path = "/workflows/wf_insurance"
    project.sandbox.order_fault("truncate_body", method="GET", path=path)
    result = follow(project, **routed)
    assert not result.success
    said = failures(result)
    assert "Workflow wf_insurance: The list of leads of workflow wf_insurance broke off" in said
    assert "9876" not in said
    assert shown(result)["changes"] == 60
    assert shown(follow(project, **routed))["changes"] == 60


def test_progress_is_asked_for_and_never_part_of_the_job_that_sends(project: Project) -> None:
    without = project.definitions().get_repository_def()
    assert not without.has_job("loans_progress")
    definitions = project.definitions(**ON)
    sending = definitions.resolve_job_def("loans").asset_layer.selected_asset_keys
    selected = {key.path[-1] for key in sending}
    assert "lead_progress" not in selected
    job = definitions.resolve_job_def("loans_progress")
    assert "dialnexa/sync" not in job.tags, "a long list keeps no sender waiting"
    schedule = definitions.get_repository_def().get_schedule_def("loans_progress_schedule")
    assert schedule.cron_schedule == "0 * * * *"
    at_will = project.definitions(progress=True).get_repository_def()
    assert at_will.has_job("loans_progress")
    assert not at_will.has_schedule_def("loans_progress_schedule")


def test_nothing_personal_is_recorded_and_an_erased_person_stays_a_key(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_ERASURE_KEY", "k" * 32)
    project.run(**ON)
    follow(project)
    words = ["withdraw", "--phone", "+919876500007", "--reason", "law", "--erase"]
    assert "Numbers erased: 1 of 1." in command(*words)
    assert shown(follow(project))["changes"] == 1
    rows = project.rows(f"SELECT * FROM {TABLE}")
    assert not any("98765" in str(value) or "Lead" in str(value) for row in rows for value in row)
    last = f"SELECT status FROM {TABLE} WHERE lead_key = '7' ORDER BY change_no"
    assert project.rows(last) == [("pending",), ("not_listed",)]


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_every_warehouse_keeps_the_history(
    project: Project, tmp_path: Any, request: pytest.FixtureRequest, kind: str
) -> None:
    """The record tables may stand elsewhere than the source: the ledger knows the leads."""
    urls = {
        "postgresql": lambda: request.getfixturevalue("postgres_url"),
        "sqlite": lambda: f"sqlite:///{tmp_path / 'records.db'}",
    }
    warehouse = urls[kind]()
    project.run(**ON)
    settings = Settings.from_environment()

    def look(listed: list[tuple[str, str]]) -> int:
        names = ("workflow_id", "lead_id", "phone", "ref", "echoes", "status", "created_at")
        rows = [("wf_home_loans", i, "+1", "", True, s, None) for i, s in listed]
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        columns["created_at"] = pa.nulls(len(rows), pa.timestamp("us", tz="UTC"))
        with Ledger(settings.ledger_url) as ledger, ProgressRecorder(ledger, "loans") as recorder:
            recorder.add("wf_home_loans", iter([pa.table(columns)]))
            return recorder.write(warehouse, "r")[0].changes

    ids = [lead["id"] for lead in project.sandbox.leads("wf_home_loans")]
    assert look([(each, "pending") for each in ids]) == 120
    assert look([(each, "pending") for each in ids]) == 0
    on = [(each, "completed") for each in ids[:20]]
    assert look(on + [(each, "pending") for each in ids[20:]]) == 20


def test_rebuilding_and_comparing_leave_the_history_alone(project: Project) -> None:
    project.run(**ON)
    follow(project)
    command("records", "rebuild")
    settings = Settings.from_environment()
    with Ledger(settings.ledger_url) as ledger:
        assert TABLE not in differences(ledger, settings.warehouse_url)
    assert project.rows(f"SELECT count(*) FROM {TABLE}") == [(120,)]
