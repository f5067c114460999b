"""Under `dagster dev`, as people run it: runs of a sync queue, and Terminate settles all."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dialnexa_pipeline.cli.demo import DAGSTER_YAML
from tests.components.conftest import BASE, Project

# A loaded machine takes a minute to bring the UI up.
pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

PATIENCE = 150.0
DEFINITIONS = f"""\
import dagster as dg
from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.sync import SyncConfig

defs = dg.Definitions.merge(
    sync_definitions(SyncConfig.model_validate({BASE!r})),
    dg.Definitions(resources=default_resources()),
)
"""
LOCATION = "query { repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
LAUNCH = (
    "mutation ($run: ExecutionParams!) { launchRun(executionParams: $run) "
    "{ ... on LaunchRunSuccess { run { runId } } } }"
)
TERMINATE = "mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass
class Ui:
    """The UI's own requests."""

    port: int
    home: Path

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["data"]

    def is_up(self) -> bool:
        try:
            return bool(self.ask(LOCATION)["repositoriesOrError"].get("nodes"))
        except OSError:
            return False

    def launch(self, job: str) -> str:
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "project.py",
            "jobName": job,
        }
        answer = self.ask(LAUNCH, run={"selector": selector, "mode": "default"})
        return answer["launchRun"]["run"]["runId"]

    def status(self, run_id: str) -> str:
        return self.ask(STATUS, id=run_id)["runOrError"]["status"]

    def is_idle(self) -> bool:
        """No run is under way; the sensor may have launched one of its own."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            return all(run.is_finished for run in instance.get_runs())

    def batches(self, run_id: str) -> list[tuple[str, int]]:
        """State and leads of each batch, as a run's enrolments show them."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            (record,) = instance.fetch_materializations(
                dg.AssetKey(["loans", "enrolments"]), limit=1
            ).records
        assert record.run_id == run_id
        assert record.asset_materialization is not None
        table = record.asset_materialization.metadata["batches"].value
        return [(row.data["state"], row.data["leads"]) for row in table.records]  # type: ignore[union-attr]


@pytest.fixture
def ui(project: Project) -> Generator[Ui]:
    home = project.folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    (project.folder / "project.py").write_text(DEFINITIONS, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "-f", "project.py", "-p", str(port)]
    with (project.folder / "dev.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "-h", "127.0.0.1"],
            cwd=project.folder,
            env={**os.environ, "DAGSTER_HOME": str(home)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            ui = Ui(port, home)
            wait_until(ui.is_up)
            yield ui
        finally:
            server.terminate()
            # Dagster's own servers may wait long for each other; the test is over by now.
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


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

    ui.ask(TERMINATE, id=running)
    wait_until(lambda: ui.status(running) not in {"STARTED", "CANCELING"})
    assert ui.status(running) == "CANCELED"
    assert ui.batches(running) == [("enrolled", 50), ("in_doubt", 50), ("planned", 20)]

    wait_until(ui.is_idle)
    assert ui.status(waiting) == "SUCCESS"
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(100,)]
    assert project.outcomes(project.run()) == {"enrolled": 20, "duplicate": 100}
    assert project.sandbox.count_leads() == 120
