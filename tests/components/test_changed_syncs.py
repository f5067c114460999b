"""A sync that is corrected between screening and planning sends nothing as it was before."""

from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """The innermost error of the step that failed."""
    failed = next(event for event in result.all_events if event.is_step_failure)
    error = failed.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message if error is not None else ""


@pytest.mark.parametrize(
    "corrected",
    [
        {"workflow": "wf_insurance"},
        {"variables": {}, "required_variables": []},
        {"phone_types": ["fixed_line"]},
        {"source": BASE["source"] | {"default_country": "DE"}},
    ],
    ids=["workflow", "variables", "phone_types", "source"],
)
def test_leads_screened_before_the_sync_was_changed_are_not_planned(
    project: Project, corrected: dict[str, Any]
) -> None:
    assert project.run(selection=["screened_leads"]).success
    result = project.run(selection=["lead_batches", "enrolments"], **corrected)
    assert not result.success
    assert "was changed since these leads were screened" in failure_of(result)
    assert "materialise loans/screened_leads again" in failure_of(result)
    assert project.sandbox.count_leads() == 0
    assert project.run(**corrected).success


def test_leads_screened_before_staged_files_bore_a_fingerprint_are_not_planned(
    project: Project,
) -> None:
    assert project.run(selection=["screened_leads"]).success
    (staged,) = project.folder.glob("store/**/*.parquet")
    pq.write_table(pq.read_table(staged).replace_schema_metadata(None), staged)
    result = project.run(selection=["lead_batches"])
    assert not result.success
    assert "was changed since these leads were screened" in failure_of(result)


def test_the_plan_that_stands_is_kept_when_leads_are_refused_as_outdated(project: Project) -> None:
    assert project.run(selection=["screened_leads", "lead_batches"]).success
    assert not project.run(selection=["lead_batches"], workflow="wf_insurance").success
    assert project.run(selection=["enrolments"]).success
    assert project.sandbox.count_leads() == 120


def test_what_only_planning_asks_may_change_after_screening(project: Project) -> None:
    assert project.run(selection=["screened_leads"]).success
    changed = {"dedupe": "30d", "batch": {"max_rows": 30}, "guard": {"max_leads": 500}}
    assert project.run(selection=["lead_batches", "enrolments"], **changed).success
    assert project.sandbox.count_leads() == 120
