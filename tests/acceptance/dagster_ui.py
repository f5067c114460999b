"""`dagster dev` as people run it, and the requests that its UI makes."""

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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

PATIENCE = 150.0
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

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.address}/graphql",
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

    def terminate(self, run_id: str) -> None:
        self.ask(TERMINATE, id=run_id)

    def status(self, run_id: str) -> str:
        return self.ask(STATUS, id=run_id)["runOrError"]["status"]

    @contextmanager
    def instance(self) -> Generator[dg.DagsterInstance]:
        """What the UI remembers."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            yield instance

    def is_idle(self) -> bool:
        """No run is under way; the sensor may have launched one of its own."""
        with self.instance() as instance:
            return all(run.is_finished for run in instance.get_runs())


@contextmanager
def running_ui(folder: Path, dagster_home: Path) -> Generator[Ui]:
    """The UI of `project.py` in a folder, with the environment of this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "-f", "project.py", "-p", str(port)]
    with (folder / "dev.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "-h", "127.0.0.1"],
            cwd=folder,
            env={**os.environ, "DAGSTER_HOME": str(dagster_home)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            ui = Ui(port, dagster_home)
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
