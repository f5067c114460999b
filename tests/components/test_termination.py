"""Runs that are asked to end: CANCELED and explained, and the next run settles all."""

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
import pytest

from dialnexa_pipeline import failpoints
from tests.components.conftest import Project

pytestmark = pytest.mark.servers


@contextmanager
def signalled_when_leads_reach(
    project: Project, leads: int, signal_number: signal.Signals
) -> Generator[None]:
    """Signal this very process while DialNexa holds back its answer."""

    def watch() -> None:
        while project.sandbox.count_leads() < leads:
            time.sleep(0.02)
        os.kill(os.getpid(), signal_number)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield
    watcher.join()


def explained(project: Project, result: dg.ExecuteInProcessResult) -> list[tuple[str, int]]:
    """State and leads of each batch, as the enrolments asset of a run showed them."""
    (event,) = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and event.asset_key.path[-1] == "enrolments"
    ]
    table = event.materialization.metadata["batches"].value
    return [(record.data["state"], record.data["leads"]) for record in table.records]  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def disarmed() -> Generator[None]:
    yield
    failpoints.arm(None)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signalled_run_ends_canceled_and_explains_its_batches(
    project: Project, signal_number: signal.Signals
) -> None:
    project.sandbox.order_fault("slow", seconds=0, method="POST")
    project.sandbox.order_fault("slow", seconds=10, method="POST")
    with signalled_when_leads_reach(project, 100, signal_number):
        result = project.run()
    assert project.status(result) == dg.DagsterRunStatus.CANCELED
    assert explained(project, result) == [("enrolled", 50), ("in_doubt", 50), ("planned", 20)]
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(50,)]
    assert project.rows(
        "SELECT outcome, count(*) FROM dialnexa_rejected_rows GROUP BY 1 ORDER BY 1"
    ) == [("in_doubt", 50), ("planned", 20)]

    assert project.run().success
    assert project.sandbox.count_leads() == 120
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(120,)]


def test_a_run_with_a_postgresql_ledger_ends_the_same_way(
    project: Project, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_LEDGER_URL", postgres_url)
    test_a_signalled_run_ends_canceled_and_explains_its_batches(project, signal.SIGTERM)


@pytest.mark.parametrize(
    ("point", "batches"),
    [
        ("send.taken=interrupt@2", [("enrolled", 50), ("in_doubt", 50), ("planned", 20)]),
        ("send.answered=interrupt@2", [("enrolled", 50), ("in_doubt", 50), ("planned", 20)]),
        ("send.settled=interrupt@2", [("enrolled", 50), ("enrolled", 50), ("planned", 20)]),
        ("records.written=interrupt", [("enrolled", 50), ("enrolled", 50), ("enrolled", 20)]),
        ("records.marked=interrupt", [("enrolled", 50), ("enrolled", 50), ("enrolled", 20)]),
    ],
)
def test_wherever_sending_is_interrupted_the_batches_are_explained(
    project: Project, point: str, batches: list[tuple[str, int]]
) -> None:
    failpoints.arm(point)
    result = project.run()
    assert project.status(result) == dg.DagsterRunStatus.CANCELED
    assert explained(project, result) == batches

    for _ in range(2):
        last = project.run()
    assert last.success
    assert project.sandbox.count_leads() == 120
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(120,)]


@pytest.mark.parametrize(
    "point",
    ["screen.staged", "plan.begun", "plan.claimed", "plan.file_written", "plan.file_noted"],
)
def test_wherever_planning_is_interrupted_nothing_is_sent_and_the_next_run_plans_all(
    project: Project, point: str
) -> None:
    failpoints.arm(f"{point}=interrupt")
    result = project.run()
    assert project.status(result) == dg.DagsterRunStatus.CANCELED
    assert project.sandbox.count_leads() == 0

    again = project.run()
    assert again.success
    assert project.outcomes(again) == {"enrolled": 120}
