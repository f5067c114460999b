"""`automation: after_upstream`: a whole run for each update of the source, and at no other time."""

from typing import Any

import dagster as dg
import pytest

from tests.components.conftest import Project

pytestmark = pytest.mark.servers

ASSETS = ["screened_leads", "lead_batches", "enrolments", "enrolment_counts", "rejected_rows"]
AUTOMATIC: dict[str, Any] = {"automation": "after_upstream"}


class Watch:
    """Evaluates the conditions as the sensor does, tick after tick."""

    def __init__(self, project: Project, **changes: Any) -> None:
        self.project = project
        self.checks_pass = True

        @dg.asset(
            key="leads",
            check_specs=[dg.AssetCheckSpec("sound", asset="leads", blocking=True)],
        )
        def upstream() -> dg.MaterializeResult:
            return dg.MaterializeResult(
                check_results=[dg.AssetCheckResult(passed=self.checks_pass, check_name="sound")]
            )

        self.upstream = upstream
        self.definitions = dg.Definitions.merge(
            dg.Definitions(assets=[upstream]), project.definitions(**(AUTOMATIC | changes))
        )
        self.cursor: Any = None
        self.tick()

    def tick(self) -> list[str]:
        """Assets of the sync that a tick asks for."""
        result = dg.evaluate_automation_conditions(
            defs=self.definitions, instance=self.project.instance, cursor=self.cursor
        )
        self.cursor = result.cursor
        return [
            asset for asset in ASSETS if result.get_num_requested(dg.AssetKey(["loans", asset]))
        ]

    def update(self, *, sound: bool = True) -> None:
        """The upstream asset is materialized."""
        self.checks_pass = sound
        dg.materialize([self.upstream], instance=self.project.instance, raise_on_error=False)


def test_an_update_of_the_source_asks_for_the_whole_sync_once(project: Project) -> None:
    watch = Watch(project)
    assert watch.tick() == []
    watch.update()
    assert watch.tick() == ASSETS
    assert watch.tick() == []
    assert project.run(**AUTOMATIC).success
    assert watch.tick() == watch.tick() == []
    assert project.sandbox.count_leads() == 120
    watch.update()
    assert watch.tick() == ASSETS


def test_a_preview_by_hand_is_no_approval(project: Project) -> None:
    watch = Watch(project)
    for step in ASSETS[:2]:
        project.run(selection=[step], **AUTOMATIC)
        assert watch.tick() == []
    assert project.sandbox.count_leads() == 0


def test_a_source_whose_blocking_check_failed_starts_nothing(project: Project) -> None:
    watch = Watch(project)
    watch.update(sound=False)
    assert watch.tick() == watch.tick() == []
    watch.update()
    assert watch.tick() == ASSETS


@pytest.mark.parametrize("done", [[], ["screened_leads", "lead_batches", "enrolments"]])
def test_an_update_while_the_sync_runs_waits_for_its_end(project: Project, done: list[str]) -> None:
    watch = Watch(project)
    job = watch.definitions.resolve_job_def("loans")
    run = project.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    for asset in done:
        event = dg.AssetMaterialization(dg.AssetKey(["loans", asset]))
        project.instance.report_dagster_event(
            dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
                job_name="loans",
                event_specific_data=_materialized(event),
            ),
            run_id=run.run_id,
        )
    watch.update()
    assert watch.tick() == watch.tick() == []
    project.instance.report_run_failed(run)
    assert watch.tick() == ASSETS
    assert watch.tick() == []


def test_a_partitioned_sync_reads_its_latest_window(project: Project) -> None:
    source = {"table": "leads", "key": "id", "phone": "mobile", "updated_at": "updated_at"}
    watch = Watch(project, source=source, partitions={"every": "day", "start": "2026-01-01"})
    watch.update()
    assert watch.tick() == ASSETS
    assert watch.tick() == []


def test_its_runs_queue_with_the_other_runs_of_the_sync(project: Project) -> None:
    repository = project.definitions(**AUTOMATIC).get_repository_def()
    sensor = repository.get_sensor_def("loans_automation")
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.run_tags["dialnexa/sync"] == "loans"
    assert not project.definitions().get_repository_def().has_sensor_def("loans_automation")


def _materialized(event: dg.AssetMaterialization) -> Any:
    from dagster._core.events import StepMaterializationData

    return StepMaterializationData(event)
