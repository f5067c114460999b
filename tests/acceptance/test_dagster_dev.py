"""Under `dagster dev`, as people run it: runs of a sync queue, and Terminate settles all."""

import time
from collections.abc import Generator

import dagster as dg
import pytest

from dialnexa_pipeline.cli.demo import DAGSTER_YAML
from tests.acceptance.dagster_ui import Ui, running_ui, wait_until
from tests.components.conftest import BASE, Project

# A loaded machine takes a minute to bring the UI up.
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

DEFINITIONS = f"""\
import dagster as dg
from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.sync import SyncConfig

defs = dg.Definitions.merge(
    sync_definitions(SyncConfig.model_validate({BASE!r})),
    dg.Definitions(resources=default_resources()),
)
"""


@pytest.fixture
def ui(project: Project) -> Generator[Ui]:
    home = project.folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    (project.folder / "project.py").write_text(DEFINITIONS, encoding="utf-8")
    with running_ui(project.folder, home) as ui:
        yield ui


def batches(ui: Ui, run_id: str) -> list[tuple[str, int]]:
    """State and leads of each batch, as a run's enrolments show them."""
    with ui.instance() as instance:
        (record,) = instance.fetch_materializations(
            dg.AssetKey(["loans", "enrolments"]), limit=1
        ).records
    assert record.run_id == run_id
    assert record.asset_materialization is not None
    table = record.asset_materialization.metadata["batches"].value
    return [(row.data["state"], row.data["leads"]) for row in table.records]  # type: ignore[union-attr]


def test_runs_of_a_sync_queue_and_a_terminated_one_is_explained_and_settled(
    project: Project, ui: Ui
) -> None:
    project.sandbox.order_fault("slow", seconds=0, method="POST")
    project.sandbox.order_fault("slow", seconds=600, method="POST")
    running = ui.launch("loans")
    wait_until(lambda: project.sandbox.count_leads() == 100)
    waiting = ui.launch("loans_reconcile")
    wait_until(lambda: ui.status(waiting) == "QUEUED")
    time.sleep(6)
    assert ui.status(waiting) == "QUEUED", "longer than the queue looks away"

    ui.terminate(running)
    wait_until(lambda: ui.status(running) not in {"STARTED", "CANCELING"})
    assert ui.status(running) == "CANCELED"
    assert batches(ui, running) == [("enrolled", 50), ("in_doubt", 50), ("planned", 20)]

    wait_until(ui.is_idle)
    assert ui.status(waiting) == "SUCCESS"
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(100,)]
    assert project.outcomes(project.run()) == {"enrolled": 20, "duplicate": 100}
    assert project.sandbox.count_leads() == 120
