"""Real Dagster runs against the sandbox: nobody twice, nothing lost, and it says why."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from dialnexa_pipeline.enrolment import lease_term
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.ledger.tables import plans
from dialnexa_pipeline.settings import Settings
from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers


def test_every_row_ends_in_one_outcome_and_a_second_run_enrols_nobody(project: Project) -> None:
    project.fill(
        "INSERT INTO leads VALUES (500, '98765 00001', 'Same', now()), (501, '', 'Blank', now()), "
        "(502, '9876500777', ' ', now()), (503, '+4915112345678', 'Far', now())"
    )
    first = project.run()
    assert first.success
    assert project.outcomes(first) == {"enrolled": 120, "duplicate": 1, "invalid": 2, "rejected": 1}
    assert project.sandbox.count_leads() == 120

    second = project.run()
    assert second.success
    assert project.outcomes(second) == {"duplicate": 121, "invalid": 2, "rejected": 1}
    assert project.sandbox.count_leads() == 120

    assert project.rows("SELECT count(*), count(DISTINCT phone) FROM dialnexa_enrolments") == [
        (120, 120)
    ]
    listed = project.rows(
        "SELECT lead_key, reason FROM dialnexa_rejected_rows WHERE resolved_at IS NULL ORDER BY 1"
    )
    assert listed == [
        ("500", "duplicate/same_number"),
        ("501", "invalid/blank"),
        ("502", "invalid/blank_variable"),
        ("503", "rejected/unsupported_destination_country"),
    ]
    sums = project.rows(
        "SELECT source_rows, enrolled + invalid + duplicate + suppressed + deferred + rejected "
        "+ in_doubt + planned FROM dialnexa_enrolment_counts"
    )
    assert sums == [(124, 124), (124, 124)]


@pytest.mark.parametrize(
    ("kind", "options", "took_effect"),
    [
        ("error_before", {"status": 502}, False),
        ("error_after", {"status": 504}, True),
        ("reset_before", {}, False),
        ("reset_after", {}, True),
        ("truncate_body", {}, True),
        ("unreadable_body", {}, True),
    ],
)
def test_a_doubtful_answer_is_never_sent_again_and_reconciling_settles_it(
    project: Project, kind: str, options: dict[str, object], took_effect: bool
) -> None:
    project.sandbox.order_fault(kind, method="POST", **options)
    first = project.run()
    assert first.success
    assert project.outcomes(first) == {"enrolled": 70, "in_doubt": 50}
    assert project.sandbox.count_leads() == (120 if took_effect else 70)

    for _ in range(3):
        last = project.run()
        assert last.success
    assert project.sandbox.count_leads() == 120
    phones = [lead["phone_number"] for lead in project.sandbox.leads("wf_home_loans")]
    assert len(set(phones)) == 120
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(120,)]


def test_rows_missing_from_a_2xx_are_in_doubt_until_two_listings_agree(project: Project) -> None:
    project.sandbox.order_fault("partial_accept", share=0.5, method="POST")
    assert project.outcomes(project.run()) == {"enrolled": 95, "in_doubt": 25}
    for _ in range(3):
        project.run()
    assert project.sandbox.count_leads() == 120


def test_the_reconcile_command_settles_doubts_and_the_records(project: Project) -> None:
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run()
    result = CliRunner().invoke(app, ["reconcile"])
    assert result.exit_code == 0, result.output
    assert project.rows("SELECT count(*) FROM dialnexa_enrolments") == [(120,)]
    counts = project.rows("SELECT source_rows, enrolled, in_doubt FROM dialnexa_enrolment_counts")
    assert counts == [(120, 120, 0)]


def test_late_rows_in_the_list_are_not_mistaken_for_absent_ones(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_SETTLE_SECONDS", "900")
    project.sandbox.order_fault("late_visibility", seconds=3600, method="POST")
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run(batch={"max_rows": 500})
    assert project.sandbox.count_leads() in {0, 120}
    before = project.sandbox.count_leads()
    project.run(batch={"max_rows": 500})
    assert project.sandbox.count_leads() == max(before, 120)


def test_materialising_up_to_the_batches_sends_nothing(project: Project) -> None:
    result = project.run(selection=["screened_leads", "lead_batches"])
    assert result.success
    assert project.sandbox.count_leads() == 0
    assert project.run(selection=["enrolments"]).success
    assert project.sandbox.count_leads() == 120


def test_the_guard_stops_before_anything_is_sent(project: Project) -> None:
    result = project.run(guard={"max_leads": 100})
    assert not result.success
    assert project.sandbox.count_leads() == 0
    check = next(c for c in result.get_asset_check_evaluations() if not c.passed)
    assert "guard.max_leads = 100" in (check.description or "")


def test_an_empty_source_is_a_successful_run_with_zero_rows(project: Project) -> None:
    project.fill("DELETE FROM leads")
    result = project.run()
    assert result.success
    assert project.outcomes(result) == {}


@pytest.mark.parametrize(
    ("insert", "said"),
    [
        ("(1, '9876500001', 'Twice', now())", "source.key must be unique.*'1' \\(2 times\\)"),
        ("(NULL, '9876500001', 'None', now())", "source.key must not be null"),
    ],
)
def test_bad_keys_stop_the_run_before_anything_is_claimed(
    project: Project, insert: str, said: str
) -> None:
    project.fill(f"INSERT INTO leads VALUES {insert}")
    result = project.run()
    assert not result.success
    assert project.sandbox.count_leads() == 0
    failure = next(e for e in result.all_events if e.is_step_failure)
    assert failure.step_failure_data.error is not None
    text = failure.step_failure_data.error.to_string()
    assert re.search(said, text)


def test_a_key_that_could_not_be_recorded_stops_the_run_before_anything_is_claimed(
    project: Project,
) -> None:
    project.fill("ALTER TABLE leads ALTER id TYPE VARCHAR")
    project.fill("INSERT INTO leads VALUES (repeat('k', 256), '9876500999', 'Long', now())")
    result = project.run()
    assert project.sandbox.count_leads() == 0
    (check,) = [c for c in result.get_asset_check_evaluations() if not c.passed]
    assert check.check_name == "keys_unique"
    assert "source.key must have 255 characters at most" in (check.description or "")


def test_a_workflow_that_does_not_exist_keeps_its_rows(project: Project) -> None:
    result = project.run(workflow="wf_nowhere")
    assert not result.success
    kept = project.rows("SELECT outcome, count(*) FROM dialnexa_rejected_rows GROUP BY 1")
    assert kept == [("planned", 120)]
    assert project.run().success
    assert project.sandbox.count_leads() == 120


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "Check DIALNEXA_API_KEY"),
        (402, "The wallet is empty"),
        (403, "belongs to another workspace"),
        (413, "Lower batch.max_bytes"),
    ],
)
def test_a_refused_call_says_how_to_mend_it_and_keeps_every_row(
    project: Project, status: int, said: str
) -> None:
    project.sandbox.order_fault("error_before", status=status, method="POST")
    result = project.run(batch={"max_rows": 500})
    assert not result.success
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    assert said in failed.step_failure_data.error.to_string()
    kept = project.rows("SELECT outcome, reason, count(*) FROM dialnexa_rejected_rows GROUP BY ALL")
    assert kept == [("planned", "planned/call_refused", 120)]
    assert project.sandbox.count_leads() == 0
    assert project.run().success
    assert project.sandbox.count_leads() == 120


def test_a_text_that_is_no_id_of_a_workflow_costs_its_own_row_only(project: Project) -> None:
    project.fill("ALTER TABLE leads ADD COLUMN wf VARCHAR DEFAULT 'wf_home_loans'")
    project.fill("UPDATE leads SET wf = repeat('x', 300) WHERE id = 1")
    project.fill("UPDATE leads SET wf = '..' WHERE id = 2")
    result = project.run(workflow=None, workflow_column="wf")
    assert result.success
    assert project.outcomes(result) == {"enrolled": 118, "invalid": 2}
    rows = project.rows("SELECT lead_key, reason, length(workflow_id) FROM dialnexa_rejected_rows")
    assert sorted(rows) == [("1", "invalid/unfit_workflow", 61), ("2", "invalid/unfit_workflow", 2)]


def test_a_file_that_is_refused_holds_up_its_own_workflow_only(project: Project) -> None:
    project.sandbox.control("POST", "behaviour", {"max_upload_bytes": 5_000})
    project.fill("ALTER TABLE leads ADD COLUMN wf VARCHAR DEFAULT 'wf_home_loans'")
    project.fill(
        "UPDATE leads SET wf = 'wf_credit_cards', name = repeat('x', 6000) WHERE id % 4 = 0"
    )
    result = project.run(workflow=None, workflow_column="wf", workflows_at_once=1)
    assert not result.success
    assert project.outcomes(result) == {"enrolled": 90, "planned": 30}
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    assert "Workflow wf_credit_cards" in failed.step_failure_data.error.to_string()


def test_a_run_that_may_wait_no_longer_succeeds_and_says_that_it_paused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_MAX_WAIT_SECONDS", "0.5")
    project.sandbox.order_fault("rate_limited", retry_after=2, method="POST")
    result = project.run()
    assert result.success
    assert project.outcomes(result) == {"planned": 120}
    (enrolments,) = result.asset_materializations_for_node("loans__enrolments")
    assert "DIALNEXA_MAX_WAIT_SECONDS" in str(enrolments.metadata["paused"].value)
    kept = project.rows("SELECT outcome, reason, count(*) FROM dialnexa_rejected_rows GROUP BY ALL")
    assert kept == [("planned", "planned/not_sent", 120)]
    monkeypatch.delenv("DIALNEXA_MAX_WAIT_SECONDS")
    assert project.run(selection=["enrolments"]).success
    assert project.sandbox.count_leads() == 120


def test_windows_partition_the_source(project: Project) -> None:
    source = {
        "table": "leads",
        "key": "id",
        "phone": "mobile",
        "default_country": "IN",
        "updated_at": "updated_at",
    }
    partitions = {"every": "day", "start": "2026-01-01"}
    for key, total in (("2026-01-01", 40), ("2026-01-02", 80), ("2026-01-01", 80)):
        result = project.run(source=source, partitions=partitions, partition=key)
        assert result.success
        assert project.sandbox.count_leads() == total


def test_a_row_that_came_late_is_read_by_the_next_window_that_looks_back(project: Project) -> None:
    changes: dict[str, Any] = {
        "source": BASE["source"] | {"updated_at": "updated_at"},
        "partitions": {"every": "day", "start": "2026-01-01", "look_back": "1d"},
    }
    assert project.run(partition="2026-01-01", **changes).success
    late = "INSERT INTO leads VALUES (900, '98765 99999', 'Late', TIMESTAMPTZ '2026-01-01 23:00Z')"
    project.fill(late)
    result = project.run(partition="2026-01-02", **changes)
    assert project.outcomes(result) == {"enrolled": 41, "duplicate": 40}
    assert project.sandbox.count_leads() == 81
    again = project.run(partition="2026-01-02", **changes)
    assert project.outcomes(again) == {"duplicate": 81}


def test_two_syncs_into_one_workflow_call_a_number_once(project: Project) -> None:
    project.run()
    other = project.run(name="cards")
    assert project.outcomes(other) == {"duplicate": 120}
    assert project.sandbox.count_leads() == 120


def test_xlsx_batches_and_no_correlation_column_work_too(project: Project) -> None:
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run(batch={"format": "xlsx", "max_rows": 50}, enrolment_ref=None)
    project.run(batch={"format": "xlsx", "max_rows": 50}, enrolment_ref=None)
    assert project.sandbox.count_leads() == 120
    lead = project.sandbox.leads("wf_home_loans")[0]
    assert set(lead["dynamic_variables"]) == {"name"}


def test_no_phone_number_reaches_the_event_log(project: Project) -> None:
    project.fill("INSERT INTO leads VALUES (501, '98765 4321', 'Short', now())")
    project.sandbox.order_fault("error_after", status=504, method="POST")
    result = project.run()
    log = json.dumps([str(event) for event in result.all_events])
    entries = project.instance.all_logs(result.run_id)
    text = log + "".join(str(entry) for entry in entries)
    assert "9876500" not in text
    assert "98765 4321" not in text
    assert "Lead 1" not in text


def test_a_batch_file_that_was_changed_is_not_sent(project: Project, tmp_path: Path) -> None:
    project.run(selection=["screened_leads", "lead_batches"])
    for path in (tmp_path / "store" / "loans" / "batches").rglob("*.csv"):
        path.write_bytes(path.read_bytes() + b"+919876543210,Intruder,x\r\n")
    result = project.run(selection=["enrolments"])
    assert not result.success
    assert project.sandbox.count_leads() == 0


def test_the_doctor_finds_what_is_wrong(project: Project, tmp_path: Path) -> None:
    (tmp_path / "defs.yaml").write_text(
        "type: dialnexa_pipeline.LeadSyncComponent\nattributes:\n  nmae: x\n", encoding="utf-8"
    )
    result = CliRunner().invoke(app, ["doctor", "--project", str(tmp_path)])
    assert result.exit_code == 1
    assert "nmae" in result.output


def test_the_ledger_holds_what_the_sandbox_holds(project: Project) -> None:
    project.run()
    with Ledger(f"sqlite:///{project.folder / 'ledger.db'}") as ledger:
        (account,) = ledger.accounts.latest(sync="loans")
        batches = ledger.batches.of_plan(account.plan.plan_id)
        refs = {c.enrolment_ref for b in batches for c in ledger.batches.claims_of(b.batch_id)}
    leads = project.sandbox.leads("wf_home_loans")
    assert {lead["dynamic_variables"]["enrolment_ref"] for lead in leads} == refs


def test_no_xlsx_file_is_larger_than_max_bytes(project: Project) -> None:
    """Short cells take twice the bytes in XLSX that they take in CSV."""
    project.run(batch={"format": "xlsx", "max_rows": 5000, "max_bytes": 9_000})
    files = list((project.folder / "store").rglob("*.xlsx"))
    assert len(files) > 1
    assert max(file.stat().st_size for file in files) <= 9_000
    assert project.sandbox.count_leads() == 120


def test_the_last_file_is_not_tiny_when_the_files_can_be_even(project: Project) -> None:
    project.run(batch={"max_rows": 119})
    with Ledger(Settings.from_environment().ledger_url) as ledger:
        (plan,) = ledger.accounts.counted_plans("loans")
        batches = ledger.batches.of_plan(plan)
    assert [batch.row_count for batch in batches] == [60, 60]


def test_a_planner_lives_as_long_as_the_environment_says(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first heart-beat comes after a third of that: until then the first lease must last."""
    monkeypatch.setenv("DIALNEXA_LEASE_SECONDS", "600")
    lease_term.cache_clear()
    try:
        project.run()
    finally:
        lease_term.cache_clear()
    ledger = sa.create_engine(Settings.from_environment().ledger_url)
    with ledger.connect() as connection:
        [(begun, until)] = connection.execute(
            sa.select(plans.c.created_at, plans.c.lease_expires_at)
        )
    ledger.dispose()
    assert until - begun == timedelta(minutes=10)
