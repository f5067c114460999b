"""A batch file lies in its plan's folder, in one of its workflow's own, whatever the id is."""

from pathlib import PurePosixPath

import pytest

from dialnexa_pipeline.enrolment.filling import batch_path
from dialnexa_pipeline.ledger import Plan

PLAN = Plan("p1", "loans", "", "run")


@pytest.mark.parametrize("workflow_id", [".", "..", "...", "x" * 300, "दो" * 200])
def test_an_unfit_id_gives_a_folder_of_the_plan_with_a_name_that_file_systems_take(
    workflow_id: str,
) -> None:
    path = PurePosixPath(batch_path(PLAN, workflow_id, "b1", "csv"))
    assert path.parents[1] == PurePosixPath("loans/batches/p1")
    assert path.parent.name.strip(".")
    assert len(path.parent.name) <= 120


def test_long_ids_that_begin_alike_have_folders_of_their_own() -> None:
    one, other = (batch_path(PLAN, "x" * 300 + end, "b1", "csv") for end in "ab")
    assert one != other


def test_the_folder_of_a_usual_id_is_the_id() -> None:
    path = batch_path(PLAN, "wf_home.loans", "b1", "csv")
    assert path == "loans/batches/p1/wf_home.loans/b1.csv"
