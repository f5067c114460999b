"""`dbt build` on DuckDB: lead lists out of the seeds, marts over the record tables."""

import csv
import subprocess
from pathlib import Path

import duckdb
import pytest

SEEDS = Path(__file__).parents[2] / "dbt_project" / "seeds"


def rows(warehouse: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return warehouse.execute(sql).fetchall()


def test_every_model_and_schema_test_passes_without_a_warning(build: tuple[Path, str]) -> None:
    assert "Completed successfully" in build[1]
    assert "WARN=0 ERROR=0" in build[1]
    assert "deprecat" not in build[1].lower()


def test_the_crm_half_builds_before_any_sync_has_run(
    crm_half: subprocess.CompletedProcess[str],
) -> None:
    assert crm_half.returncode == 0, crm_half.stdout
    assert "fct_" not in crm_half.stdout


def test_contacts_arrive_in_the_warehouse_exactly_as_the_seed_spells_them(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    with (SEEDS / "crm_contacts.csv").open(encoding="utf-8", newline="") as file:
        written = {c["contact_id"]: (c["mobile"], c["full_name"]) for c in csv.DictReader(file)}
    built = rows(warehouse, "select contact_id, mobile, full_name from crm.stg_contacts")
    assert {key: (mobile or "", name or "") for key, mobile, name in built} == written


def test_a_lead_list_holds_only_contacts_who_agreed_each_in_one_list(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    with (SEEDS / "crm_opt_ins.csv").open(encoding="utf-8", newline="") as file:
        agreed = {o["contact_id"] for o in csv.DictReader(file) if o["opted_in"] == "true"}
    home = {key for (key,) in rows(warehouse, "select lead_id from analytics.leads_to_call")}
    others = {key for (key,) in rows(warehouse, "select lead_id from analytics.product_offers")}
    assert not home & others
    assert home | others == agreed


def test_home_loans_make_one_list_and_other_products_are_routed_or_left_blank(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    home = rows(warehouse, "select distinct product, workflow_id from analytics.leads_to_call")
    others = rows(warehouse, "select distinct product, workflow_id from analytics.product_offers")
    assert set(home) == {("home_loan", "wf_home_loans")}
    assert set(others) == {
        ("credit_card", "wf_credit_cards"),
        ("insurance", "wf_insurance"),
        ("", None),
    }


def test_an_enrolment_shows_who_was_enrolled_and_about_what(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        warehouse,
        "select lead_key, full_name, city, product, state from analytics.fct_enrolments order by 1",
    ) == [
        ("C00001", "Rahul D'Souza, Jr.", "Chennai, TN", "home_loan", "enrolled"),
        ("C00003", "Arjun Al Maktoum", "Bengaluru", "insurance", "withdrawn"),
        ("C00004", "Arjun Iyer", "New York", "insurance", "enrolled"),
        ("C00005", "Fatima शर्मा", "Bengaluru", "home_loan", "enrolled"),
    ]


def test_a_rejected_lead_is_listed_with_its_reason_until_it_is_resolved(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        warehouse,
        "select lead_key, full_name, product, reason, raw_phone from analytics.fct_rejected_leads"
        " where sync = 'home_loans'",
    ) == [("C00002", "अर्जुन पटेल", "home_loan", "invalid/too_short", "97")]


@pytest.mark.parametrize(
    ("sync", "latest"),
    [
        ("home_loans", [("r2", "wf_home_loans", 2)]),
        ("product_offers", [("r3", "wf_insurance", 2)]),
    ],
)
def test_the_funnel_marks_the_latest_run_of_a_sync_and_no_workflow_of_an_older_one(
    warehouse: duckdb.DuckDBPyConnection, sync: str, latest: list[tuple[object, ...]]
) -> None:
    found = warehouse.execute(
        "select run_id, workflow_id, source_rows from analytics.enrolment_funnel"
        " where is_latest and sync = ?",
        [sync],
    ).fetchall()
    assert found == latest


def test_the_history_of_a_lead_tells_when_it_was_called_and_where_it_stands(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        warehouse,
        "select full_name, product, status, is_called, is_newest from analytics.fct_lead_progress"
        " where lead_key in ('C00001', 'C00003') order by lead_key, change_no",
    ) == [
        ("Rahul D'Souza, Jr.", "home_loan", "pending", False, False),
        ("Rahul D'Souza, Jr.", "home_loan", "in_progress", True, False),
        ("Rahul D'Souza, Jr.", "home_loan", "completed", True, True),
        ("Arjun Al Maktoum", "insurance", "pending", False, False),
        ("Arjun Al Maktoum", "insurance", "not_listed", False, True),
    ]


FUNNEL = (
    "select sync, product, day::varchar, leads, not_enrolled, enrolled, called, completed,"
    " not_listed, other_status, round(completed_share, 2)::float"
    " from analytics.conversion_funnel order by 1, 2, 3"
)


def test_the_conversion_funnel_goes_from_row_to_call_to_result(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    """C00003 was enrolled and withdrawn, and is refused since: one lead; C00004 was never listed."""
    assert rows(warehouse, FUNNEL) == [
        ("home_loans", "home_loan", "2026-11-02", 3, 1, 2, 2, 1, 0, 1, pytest.approx(0.33)),
        ("product_offers", "insurance", "2026-11-03", 2, 0, 2, 0, 0, 2, 0, 0.0),
    ]


def test_without_progress_the_funnel_ends_at_the_enrolment(unfollowed: Path) -> None:
    with duckdb.connect(str(unfollowed), read_only=True) as connection:
        assert rows(connection, FUNNEL) == [
            ("home_loans", "home_loan", "2026-11-02", 3, 1, 2, 0, 0, 2, 0, 0.0),
            ("product_offers", "insurance", "2026-11-03", 2, 0, 2, 0, 0, 2, 0, 0.0),
        ]
