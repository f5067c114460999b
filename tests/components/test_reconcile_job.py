"""The reconcile job settles doubts without a run of the sync, and the sensor knows when."""

import dagster as dg
import pytest

from dialnexa_pipeline.components import default_resources
from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers

ENROLMENTS = dg.AssetKey(["loans", "enrolments"])


def tick(project: Project) -> dg.RunRequest | str:
    """What the sensor asks for now: a run, or the sentence why there is none."""
    repository = project.definitions().get_repository_def()
    sensor = repository.get_sensor_def("loans_reconcile_sensor")
    context = dg.build_sensor_context(
        instance=project.instance,
        repository_def=repository,
        resources={"ledger": default_resources()["ledger"]},
    )
    data = sensor.evaluate_tick(context)
    return data.run_requests[0] if data.run_requests else data.skip_message or ""


def reconciled(project: Project) -> dg.ExecuteInProcessResult:
    job = project.definitions().resolve_job_def("loans_reconcile")
    return job.execute_in_process(instance=project.instance, raise_on_error=False)


def summary(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """Leads by what became of them, as the job's step shows them."""
    (output,) = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    return {
        name.removeprefix("leads/"): value.value
        for name, value in metadata.items()
        if name.startswith("leads/")
    }


def check_passed(project: Project) -> bool:
    key = dg.AssetCheckKey(ENROLMENTS, "nothing_in_doubt")
    (record,) = project.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.event is not None
    evaluation = record.event.asset_check_evaluation
    assert evaluation is not None
    return evaluation.passed


def test_the_sensor_asks_for_nothing_and_makes_no_ledger_when_there_is_none(
    project: Project,
) -> None:
    (project.folder / "ledger.db").unlink()
    assert tick(project) == "There is no ledger yet."
    assert not (project.folder / "ledger.db").exists()
    project.run()
    assert tick(project) == "No batch of loans can be settled now."


def test_the_sensor_launches_the_job_and_the_job_settles_and_records(project: Project) -> None:
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run()
    assert not check_passed(project)
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(70,)]

    assert isinstance(tick(project), dg.RunRequest)
    result = reconciled(project)
    assert result.success
    assert summary(result) == {"enrolled": 50, "absent": 0, "in_doubt": 0}
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(120,)]
    assert project.rows("SELECT enrolled, in_doubt FROM dialnexa_enrolment_counts") == [(120, 0)]
    assert project.rows(
        "SELECT count(*) FROM dialnexa_rejected_rows WHERE resolved_at IS NULL"
    ) == [(0,)]
    assert check_passed(project)
    assert tick(project) == "No batch of loans can be settled now."


def test_rows_proved_absent_are_planned_by_the_next_run(project: Project) -> None:
    project.sandbox.order_fault("error_before", status=504, method="POST")
    project.run()
    assert summary(reconciled(project)) == {"enrolled": 0, "absent": 0, "in_doubt": 50}
    assert summary(reconciled(project)) == {"enrolled": 0, "absent": 50, "in_doubt": 0}
    assert project.sandbox.count_leads() == 70, "the job sends nothing"
    assert project.outcomes(project.run()) == {"enrolled": 50, "duplicate": 70}


def test_a_workflow_that_cannot_be_listed_fails_the_job_and_is_asked_for_again_later(
    project: Project,
) -> None:
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run()
    before = tick(project)
    project.sandbox.order_fault("error_before", status=403, method="GET")
    assert not reconciled(project).success
    again = tick(project)
    assert isinstance(before, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert again.run_key is not None
    assert before.run_key is not None
    assert again.run_key.split("-")[1] == before.run_key.split("-")[1], "nothing new was learnt"
    assert reconciled(project).success


def test_reconcile_runs_queue_with_the_runs_of_their_sync(project: Project) -> None:
    definitions = project.definitions()
    for job in ("loans", "loans_reconcile"):
        assert definitions.resolve_job_def(job).tags["dialnexa/sync"] == "loans"


def test_a_partition_that_is_reconciled_is_told_apart(project: Project) -> None:
    config = {
        "source": {**BASE["source"], "updated_at": "updated_at"},
        "partitions": {"every": "day", "start": "2026-01-01"},
    }
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run(partition="2026-01-02", **config)
    job = project.definitions(**config).resolve_job_def("loans_reconcile")
    result = job.execute_in_process(instance=project.instance)
    assert summary(result) == {"enrolled": 40, "absent": 0, "in_doubt": 0}
    partitions = {
        event.materialization.partition for event in result.get_asset_materialization_events()
    }
    assert partitions == {"2026-01-02"}
