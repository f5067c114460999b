"""Whoever is past `dedupe` is forgotten when somebody calls the person, and no earlier."""

import sqlite3

import pytest

from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers

PREVIEW = ["screened_leads", "lead_batches"]


def age(project: Project) -> None:
    """Whatever was enrolled was enrolled three days earlier."""
    with sqlite3.connect(project.folder / "ledger.db") as connection:
        for table in ("batches", "claims"):
            connection.execute(f"UPDATE {table} SET settled_at = datetime(settled_at, '-3 days')")


@pytest.mark.parametrize("is_held", [False, True])
def test_a_dry_run_and_a_held_plan_forget_nobody(project: Project, is_held: bool) -> None:
    """They show that everybody would be called again, and somebody corrects the YAML."""
    assert project.outcomes(project.run(dedupe="1d")) == {"enrolled": 120}
    age(project)
    if is_held:
        assert not project.run(dedupe="1d", guard={"max_leads": 10}).success
    else:
        project.run(selection=PREVIEW, dedupe="1d")
    again = project.run(dedupe="forever")
    assert project.outcomes(again) == {"duplicate": 120}
    assert project.sandbox.count_leads() == 120


def test_another_sync_that_forgets_sooner_and_calls_nobody_changes_nothing(
    project: Project,
) -> None:
    project.run()
    age(project)
    sooner = {"name": "reminders", "dedupe": "1d"}
    project.run(selection=PREVIEW, **sooner)
    project.fill("CREATE TABLE nobody AS FROM leads LIMIT 0")
    assert project.run(**sooner, source=BASE["source"] | {"table": "nobody"}).success
    assert project.outcomes(project.run()) == {"duplicate": 120}
    assert project.sandbox.count_leads() == 120


def test_who_is_called_again_is_called_again_when_the_time_has_come(project: Project) -> None:
    for times in (1, 2, 3):
        assert project.outcomes(project.run(dedupe="1d")) == {"enrolled": 120}
        assert project.outcomes(project.run(dedupe="1d")) == {"duplicate": 120}
        assert project.sandbox.count_leads() == 120 * times
        age(project)
