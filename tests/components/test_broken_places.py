"""A full disk, a warehouse and a ledger that go away: one sentence, and the next run is whole."""

import resource
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
import pytest

from dialnexa_pipeline.components import enrolled
from tests.components.conftest import Project

pytestmark = pytest.mark.servers

MEGABYTE = 1_000_000


@contextmanager
def files_no_larger_than(size: int) -> Generator[None]:
    """As on a full disk, every write past `size` fails; the system signals nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def sentence_of_failure(result: dg.ExecuteInProcessResult) -> str:
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    error = failed.step_failure_data.error
    assert error is not None
    return (error.cause or error).message


@pytest.fixture
def wide(project: Project) -> Project:
    """Names so long that the files of the sync outgrow the ledger."""
    project.fill(
        "UPDATE leads SET name = (SELECT string_agg(md5(leads.id || '-' || r), '') "
        "FROM range(1000) AS t(r))"
    )
    return project


@pytest.mark.parametrize("stage", ["screened_leads", "lead_batches"])
def test_a_full_disk_is_a_sentence_before_anything_is_sent(wide: Project, stage: str) -> None:
    stages = ["screened_leads", "lead_batches"]
    for ready in stages[: stages.index(stage)]:
        assert wide.run(selection=[ready], batch={"max_rows": 500}).success
    with files_no_larger_than(MEGABYTE):
        result = wide.run(selection=[stage], batch={"max_rows": 500})
    assert not result.success
    assert "File too large" in sentence_of_failure(result)
    assert wide.sandbox.count_leads() == 0
    assert not list((wide.folder / "store").rglob("*.part"))

    assert wide.run(batch={"max_rows": 500}).success
    assert wide.sandbox.count_leads() == 120


def test_a_ledger_on_a_full_disk_is_a_sentence_and_sends_nothing(project: Project) -> None:
    assert project.run(selection=["screened_leads"]).success
    with files_no_larger_than(40_000):
        result = project.run(selection=["lead_batches"])
    assert not result.success
    assert "The ledger at" in sentence_of_failure(result)
    assert project.sandbox.count_leads() == 0

    assert project.run().success
    assert project.sandbox.count_leads() == 120


GONE = "postgresql://nobody@127.0.0.1:1/gone"


def test_nobody_is_called_whose_enrolment_cannot_be_recorded(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run(selection=["screened_leads", "lead_batches"]).success
    with monkeypatch.context() as away:
        away.setenv("DIALNEXA_WAREHOUSE_URL", GONE)
        result = project.run(selection=["enrolments"])
    assert not result.success
    assert "does not take the records" in sentence_of_failure(result)
    assert project.sandbox.count_leads() == 0
    assert project.run(selection=["enrolments"]).success
    assert project.sandbox.count_leads() == 120


def test_a_warehouse_that_goes_away_while_leads_are_sent_loses_no_record(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.run(selection=["screened_leads", "lead_batches"]).success
    with monkeypatch.context() as away:
        away.setenv("DIALNEXA_WAREHOUSE_URL", GONE)
        # It was there when it was asked.
        away.setattr(enrolled, "require_writable", lambda _url: None)
        result = project.run(selection=["enrolments"])
    assert not result.success
    assert "The ledger keeps them" in sentence_of_failure(result)
    assert project.outcomes(result) == {"enrolled": 120}

    assert project.run().success
    assert project.sandbox.count_leads() == 120
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(120,)]
    assert project.rows("SELECT sum(enrolled) FROM dialnexa_enrolment_counts") == [(120,)]


def test_a_store_that_lost_a_batch_file_is_a_sentence_and_the_next_run_is_whole(
    project: Project,
) -> None:
    assert project.run(selection=["screened_leads", "lead_batches"]).success
    lost = sorted((project.folder / "store" / "loans" / "batches").rglob("*.csv"))[0]
    lost.unlink()
    result = project.run(selection=["enrolments"])
    assert not result.success
    assert "is not in the store" in sentence_of_failure(result)

    assert project.run().success
    assert project.sandbox.count_leads() == 120
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(120,)]
