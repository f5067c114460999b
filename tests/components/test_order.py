"""A query's leads leave in its order; a table's many are planned by their numbers, none twice."""

import pytest

from dialnexa_pipeline.enrolment import number_ranges
from tests.components.conftest import Project

LEADS = 300
FIRST_ROWS = 50


@pytest.fixture(autouse=True)
def few_leads_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_ranges, "_FIRST_ROWS", FIRST_ROWS)
    monkeypatch.setattr(number_ranges, "_SORTED_ROWS", 1)


def fill(project: Project) -> None:
    project.fill(
        "CREATE OR REPLACE TABLE leads AS SELECT CAST(range AS VARCHAR) AS id, 'A' AS name, "
        f"CAST(9800000000 + (range * 7919) % 100000 AS VARCHAR) AS mobile FROM range({LEADS})"
    )


def sent(project: Project) -> list[str]:
    """Keys in the order in which their leads were planned."""
    rows = project.rows(
        "SELECT lead_key FROM dialnexa_enrolments ORDER BY length(enrolment_ref), enrolment_ref"
    )
    return [key for (key,) in rows]


def test_leads_of_a_query_are_planned_in_its_order(project: Project) -> None:
    fill(project)
    query = "SELECT * FROM leads ORDER BY CAST(id AS INTEGER) DESC"
    source = {"query": query, "key": "id", "phone": "mobile", "default_country": "IN"}
    assert project.run(source=source).success
    assert sent(project) == [str(number) for number in reversed(range(LEADS))]


def test_every_lead_of_a_table_is_enrolled_once_however_it_lies(project: Project) -> None:
    fill(project)
    assert project.run().success
    keys = list(map(int, sent(project)))
    assert keys[:FIRST_ROWS] == list(range(FIRST_ROWS))
    assert keys != sorted(keys)
    assert sorted(keys) == list(range(LEADS))
