"""`activation: after_reconcile`: filled while it sleeps, verified, then activated, once."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from typing import Any

import dagster as dg
import pytest

from dialnexa_pipeline import failpoints
from dialnexa_pipeline.ledger import Ledger
from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers

WORKFLOW = "wf_home_loans"
TWO_PHASES: dict[str, Any] = {"activation": "after_reconcile"}


@pytest.fixture(autouse=True)
def asleep(project: Project) -> Generator[None]:
    put_workflow(project, "paused")
    yield
    failpoints.arm(None)


def put_workflow(project: Project, status: str, workflow_id: str = WORKFLOW) -> None:
    project.sandbox.control("POST", "workflows", {"id": workflow_id, "status": status})


def status_of(project: Project, workflow_id: str = WORKFLOW) -> str:
    request = urllib.request.Request(
        f"{project.sandbox.base_url}/workflows/{workflow_id}",
        headers={"authorization": f"Bearer {project.sandbox.api_key}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["data"]["status"]


def check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "activated"]
    return found


def reconciled(project: Project, **changes: Any) -> dg.ExecuteInProcessResult:
    job = project.definitions(**TWO_PHASES, **changes).resolve_job_def("loans_reconcile")
    return job.execute_in_process(instance=project.instance, raise_on_error=False)


def sentence_of_failure(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.error is not None
    return failed.step_failure_data.error.message


@pytest.mark.parametrize("status", ["draft", "paused"])
def test_a_sleeping_workflow_is_filled_verified_and_activated(
    project: Project, status: str
) -> None:
    put_workflow(project, status)
    result = project.run(**TWO_PHASES)
    assert result.success
    assert check(result).passed
    assert "each of its 120 leads is listed exactly once" in (check(result).description or "")
    assert status_of(project) == "active"


def test_a_list_in_small_pages_verifies_as_well(project: Project) -> None:
    project.sandbox.behave(list_form="paged")
    result = project.run(**TWO_PHASES)
    assert check(result).passed, check(result).description
    assert status_of(project) == "active"


@pytest.mark.parametrize("status", ["active", "completed"])
def test_nothing_is_sent_to_a_workflow_that_does_not_sleep(project: Project, status: str) -> None:
    put_workflow(project, status)
    result = project.run(**TWO_PHASES)
    assert not result.success
    assert f"Workflow wf_home_loans is {status}" in sentence_of_failure(result)
    assert "set activation: as_is" in sentence_of_failure(result)
    assert project.sandbox.count_leads() == 0

    put_workflow(project, "paused")
    assert project.run(**TWO_PHASES).success
    assert project.sandbox.count_leads() == 120
    assert status_of(project) == "active"


def test_rows_in_doubt_keep_the_workflow_asleep_until_the_reconcile_job_has_settled_them(
    project: Project,
) -> None:
    project.sandbox.order_fault("error_after", status=504, method="POST")
    result = project.run(**TWO_PHASES)
    assert result.success
    assert not check(result).passed
    assert check(result).severity == dg.AssetCheckSeverity.WARN
    assert "1 batches in it have no sure answer" in (check(result).description or "")
    assert status_of(project) == "paused"

    assert reconciled(project).success
    assert status_of(project) == "active"


def test_leads_that_are_listed_late_keep_the_workflow_asleep(project: Project) -> None:
    project.sandbox.order_fault("late_visibility", seconds=3600, method="POST")
    result = project.run(**TWO_PHASES)
    assert result.success
    assert "50 of its 120 leads are not listed yet" in (check(result).description or "")
    assert reconciled(project).success
    assert status_of(project) == "paused"

    again = project.run(**TWO_PHASES)
    assert again.success
    assert status_of(project) == "paused"
    assert project.sandbox.count_leads() == 120


def test_a_lead_that_is_listed_twice_needs_a_person(project: Project) -> None:
    failpoints.arm("send.settled=raise@3")
    project.run(**TWO_PHASES)
    lead = project.sandbox.leads(WORKFLOW)[0]
    upload_again(project, lead["phone_number"], lead["dynamic_variables"])
    result = project.run(**TWO_PHASES)
    assert not check(result).passed
    assert check(result).severity == dg.AssetCheckSeverity.ERROR
    assert "1 of its 120 leads are listed more than once" in (check(result).description or "")
    assert status_of(project) == "paused"


def test_somebody_elses_lead_with_the_same_number_is_not_ours(project: Project) -> None:
    upload_again(project, "+919876500001", {"name": "By hand"})
    assert project.run(**TWO_PHASES).success
    assert project.sandbox.count_leads() == 121
    assert status_of(project) == "active"


def test_without_a_correlation_column_numbers_are_verified(project: Project) -> None:
    assert project.run(**TWO_PHASES, enrolment_ref=None).success
    assert status_of(project) == "active"


def test_a_workflow_is_activated_once_and_a_person_who_pauses_it_is_obeyed(
    project: Project,
) -> None:
    project.run(**TWO_PHASES)
    put_workflow(project, "paused")
    assert reconciled(project).success
    assert project.run(**TWO_PHASES).success
    assert status_of(project) == "paused", "nothing new was sent, so nothing is owed"

    project.fill("INSERT INTO leads VALUES (900, '9876590000', 'New', now())")
    assert project.run(**TWO_PHASES).success
    assert status_of(project) == "active"


@pytest.mark.parametrize("point", ["send.taken", "send.settled", "activate.verified"])
def test_interrupted_anywhere_it_is_activated_by_a_later_run(project: Project, point: str) -> None:
    failpoints.arm(f"{point}=interrupt")
    result = project.run(**TWO_PHASES)
    assert project.status(result) == dg.DagsterRunStatus.CANCELED
    assert not check(result).passed
    assert status_of(project) == "paused"

    for _ in range(2):
        last = project.run(**TWO_PHASES)
    assert last.success
    assert project.sandbox.count_leads() == 120
    assert status_of(project) == "active"


def test_killed_between_verifying_and_activating_a_later_run_activates(project: Project) -> None:
    script = (
        "import dagster as dg\n"
        "from dialnexa_pipeline.components import default_resources, sync_definitions\n"
        "from dialnexa_pipeline.sync import SyncConfig\n"
        f"config = SyncConfig.model_validate({ ({**BASE, **TWO_PHASES})!r})\n"
        "resources = dg.Definitions(resources=default_resources())\n"
        "defs = dg.Definitions.merge(sync_definitions(config), resources)\n"
        "defs.resolve_job_def(config.name).execute_in_process()\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "DIALNEXA_FAILPOINT": "activate.verified=kill"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (project.sandbox.count_leads(), status_of(project)) == (120, "paused")
    assert project.run(**TWO_PHASES).success
    assert (project.sandbox.count_leads(), status_of(project)) == (120, "active")


def test_while_senders_are_stopped_no_workflow_is_activated(project: Project) -> None:
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run(**TWO_PHASES)
    with Ledger(f"sqlite:///{project.folder / 'ledger.db'}") as ledger:
        ledger.switches.stop(sync=None, who="ops", why="wrong script")
        reconciled(project)
        assert status_of(project) == "paused"
        ledger.switches.resume(sync=None, who="ops", why="script is right now")
    assert reconciled(project).success
    assert status_of(project) == "active"


def test_each_workflow_of_a_routing_column_is_on_its_own(project: Project) -> None:
    put_workflow(project, "active", "wf_insurance")
    put_workflow(project, "draft", "wf_credit_cards")
    project.fill("ALTER TABLE leads ADD COLUMN flow VARCHAR DEFAULT 'wf_home_loans'")
    project.fill("UPDATE leads SET flow = 'wf_insurance' WHERE id < 10")
    project.fill("UPDATE leads SET flow = 'wf_credit_cards' WHERE id >= 100")
    routed = {**TWO_PHASES, "workflow": None, "workflow_column": "flow"}
    result = project.run(**routed)
    assert not result.success
    assert "Workflow wf_insurance is active" in sentence_of_failure(result)
    assert project.outcomes(result) == {"enrolled": 110, "planned": 10}
    assert status_of(project) == "active"
    assert status_of(project, "wf_credit_cards") == "active"

    put_workflow(project, "paused", "wf_insurance")
    assert project.run(**routed).success
    assert status_of(project, "wf_insurance") == "active"


def upload_again(project: Project, phone: str, variables: dict[str, str]) -> None:
    """One lead enrolled by somebody else's hand, with whatever variables."""
    names = ",".join(["phone_number", *variables])
    values = ",".join([phone, *variables.values()])
    body = (
        '--x\r\nContent-Disposition: form-data; name="file"; filename="by_hand.csv"\r\n'
        f"Content-Type: text/csv\r\n\r\n{names}\r\n{values}\r\n\r\n--x--\r\n"
    )
    request = urllib.request.Request(
        f"{project.sandbox.base_url}/workflows/{WORKFLOW}/leads",
        body.encode(),
        {
            "authorization": f"Bearer {project.sandbox.api_key}",
            "content-type": "multipart/form-data; boundary=x",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 201
