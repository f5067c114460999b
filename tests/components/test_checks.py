"""Each check of a sync passes with numbers, and fails with a sentence that says what to do."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from dialnexa_pipeline.api import NetworkGroup
from dialnexa_pipeline.cli import app
from dialnexa_pipeline.enrolment import Barred, BatchLimits, Destinations, plan_leads
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.store import Store
from tests.components.conftest import Project

pytestmark = pytest.mark.servers

GROUPS = "/phone-country-rules/enabled-network-groups"
FAR = (
    "INSERT INTO leads VALUES (800, '+4915112345678', 'Far', now()), "
    "(801, '+33612345678', 'Far', now()), (802, '+4915112345679', 'Far', now())"
)


def check(result: dg.ExecuteInProcessResult, name: str, asset: str = "") -> dg.AssetCheckEvaluation:
    (found,) = [
        each
        for each in result.get_asset_check_evaluations()
        if each.check_name == name and each.asset_key.path[-1].endswith(asset)
    ]
    return found


def numbers(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in evaluation.metadata.items()}


def put_workflow(project: Project, status: str, workflow_id: str = "wf_home_loans") -> None:
    project.sandbox.control("POST", "workflows", {"id": workflow_id, "status": status})


def far_outcomes(project: Project) -> list[tuple[Any, ...]]:
    return project.rows(
        "SELECT lead_key, reason FROM dialnexa_rejected_rows WHERE resolved_at IS NULL ORDER BY 1"
    )


def test_every_check_of_a_good_run_passes_with_numbers(project: Project) -> None:
    result = project.run()
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert {each.check_name for each in evaluations if not each.passed} == set()
    assert sorted(each.check_name for each in evaluations) == [
        "conservation",
        "destinations",
        "keys_unique",
        "matches_ledger",
        "matches_ledger",
        "matches_ledger",
        "nothing_in_doubt",
        "reject_rate",
        "required_variables",
        "volume_guard",
        "workflow_status",
    ]
    assert numbers(check(result, "keys_unique"))["keys"] == 120
    assert all(each.description for each in evaluations)


def test_a_repeated_key_is_a_failed_check_and_nothing_is_left_to_plan(project: Project) -> None:
    project.fill("INSERT INTO leads VALUES (1, '1', 'x', now()), (1, '2', 'x', now())")
    project.fill("INSERT INTO leads VALUES (2, '1', 'x', now()), (NULL, '2', 'x', now())")
    result = project.run()
    assert not result.success
    broken = check(result, "keys_unique")
    assert not broken.passed
    assert broken.severity == dg.AssetCheckSeverity.ERROR
    said = broken.description or ""
    assert (
        "more than one row has the same key for 2 keys, as for '1' (3 times), '2' (2 times)" in said
    )
    assert "it is null or blank in 1 of 124 rows, as in row 124" in said
    assert "mend the source" in said
    shown = numbers(broken)
    assert (shown["keys"], shown["repeated_keys"], shown["blank_keys"]) == (120, 2, 1)
    assert not result.get_asset_materialization_events()
    # The instance, which the UI reads, keeps it.
    key = dg.AssetCheckKey(dg.AssetKey(["loans", "screened_leads"]), "keys_unique")
    (record,) = project.instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert record.status.value == "FAILED"
    later = project.run(selection=["lead_batches"])
    assert not later.success
    assert project.sandbox.count_leads() == 0


def test_a_reject_rate_far_above_the_usual_one_warns_and_holds_nothing(project: Project) -> None:
    project.fill("INSERT INTO leads SELECT 900 + i, '12', 'x', now() FROM range(10) t(i)")
    first = project.run()
    assert check(first, "reject_rate").passed
    assert "no earlier run" in (check(first, "reject_rate").description or "")
    second = project.run()
    assert numbers(check(second, "reject_rate"))["runs_compared"] == 1

    project.fill("INSERT INTO leads SELECT 920 + i, '12', 'x', now() FROM range(20) t(i)")
    third = project.run()
    assert third.success
    warned = check(third, "reject_rate")
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    said = warned.description or ""
    assert said.startswith("30 of 150 rows are refused (20.0%), usually 7.7%.")
    assert "checks.max_reject_growth = 2.0" in said
    assert "invalid/too_short (30)" in said
    assert numbers(warned)["reject_rate"] == pytest.approx(0.2)
    assert numbers(warned)["usual_reject_rate"] == pytest.approx(10 / 130)
    assert check(project.run(checks={"max_reject_growth": 3.0}), "reject_rate").passed
    assert check(project.run(checks={"min_rejected": 31}), "reject_rate").passed


def test_a_blank_required_variable_names_header_and_source_column(project: Project) -> None:
    project.fill("ALTER TABLE leads ADD COLUMN town VARCHAR DEFAULT 'Pune'")
    project.fill("INSERT INTO leads VALUES (901, '9876500901', '', now(), ' ')")
    project.fill("INSERT INTO leads VALUES (902, '9876500902', NULL, now(), 'Goa')")
    project.fill("INSERT INTO leads VALUES (903, 'no phone', '', now(), 'Goa')")
    changes: dict[str, Any] = {
        "variables": {"name": "name", "city": "town"},
        "required_variables": ["name", "city"],
    }
    result = project.run(**changes)
    assert result.success
    warned = check(result, "required_variables")
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    said = warned.description or ""
    assert said.startswith("2 of 123 rows are refused because a required variable is blank: ")
    assert "name in 2 (source column name), city in 1 (source column town)" in said
    shown = numbers(warned)
    assert (shown["leads_blank"], shown["blank/name"], shown["blank/city"]) == (2, 2, 1)
    tolerant = project.run(**changes, checks={"max_blank_rate": 0.1})
    assert check(tolerant, "required_variables").passed


def test_a_sync_without_required_variables_has_no_such_check(project: Project) -> None:
    evaluations = project.run(required_variables=[]).get_asset_check_evaluations()
    names = {each.check_name for each in evaluations}
    assert "required_variables" not in names


@pytest.mark.parametrize(
    ("status", "severity", "said"),
    [
        ("draft", dg.AssetCheckSeverity.WARN, "its 120 leads are called once it is activated"),
        ("paused", dg.AssetCheckSeverity.WARN, "set activation: after_reconcile"),
        ("completed", dg.AssetCheckSeverity.ERROR, "calls nobody, and 120 leads are planned"),
        ("cancelled", dg.AssetCheckSeverity.ERROR, "correct the sync's workflow"),
    ],
)
def test_a_workflow_that_cannot_call_now_is_told_before_sending(
    project: Project, status: str, severity: dg.AssetCheckSeverity, said: str
) -> None:
    put_workflow(project, status)
    result = project.run(selection=["screened_leads", "lead_batches"])
    assert result.success
    told = check(result, "workflow_status")
    assert (told.passed, told.severity) == (False, severity)
    assert said in (told.description or "")
    assert numbers(told)[f"workflows/{status}"] == 1
    assert project.sandbox.count_leads() == 0


def test_a_workflow_that_does_not_exist_is_told_before_sending(project: Project) -> None:
    result = project.run(selection=["screened_leads", "lead_batches"], workflow="wf_nowhere")
    told = check(result, "workflow_status")
    assert not told.passed
    assert "DialNexa shows no workflow wf_nowhere with this API key" in (told.description or "")


def test_a_workflow_that_is_to_be_filled_asleep_must_sleep(project: Project) -> None:
    awake = project.run(selection=["screened_leads", "lead_batches"], activation="after_reconcile")
    assert "pause it in DialNexa" in (check(awake, "workflow_status").description or "")
    put_workflow(project, "paused")
    asleep = project.run(selection=["screened_leads", "lead_batches"], activation="after_reconcile")
    assert check(asleep, "workflow_status").passed


def test_many_workflows_are_looked_up_in_their_list(project: Project) -> None:
    project.fill("ALTER TABLE leads ADD COLUMN wf VARCHAR; UPDATE leads SET wf = 'wf_' || id % 8")
    for number in range(7):
        put_workflow(project, "active" if number else "paused", f"wf_{number}")
    result = project.run(
        selection=["screened_leads", "lead_batches"], workflow=None, workflow_column="wf"
    )
    told = check(result, "workflow_status")
    assert told.severity == dg.AssetCheckSeverity.ERROR
    said = told.description or ""
    assert "no workflow wf_7 with this API key, and 15 leads" in said
    assert "correct the sync's column wf" in said
    assert "Workflow wf_0 is paused" in said
    shown = numbers(told)
    assert (shown["workflows/active"], shown["workflows/missing"]) == (6, 1)


def test_leads_to_a_country_that_is_not_enabled_are_told_of(project: Project) -> None:
    project.fill(FAR)
    result = project.run()
    assert result.success
    warned = check(result, "destinations")
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    said = warned.description or ""
    assert "3 leads go to destinations" in said
    assert "DE (2 leads), FR (1 leads)" in said
    assert "Enable them in Workspace Settings > Telephony Config" in said
    assert numbers(warned)["leads_not_enabled/DE"] == 2
    assert project.outcomes(result) == {"enrolled": 120, "rejected": 3}


def test_enforced_such_leads_are_refused_with_a_reason_and_the_rest_is_sent(
    project: Project,
) -> None:
    project.fill(FAR)
    project.fill("INSERT INTO leads VALUES (803, '+911123456789', 'Landline', now())")
    project.fill("INSERT INTO leads VALUES (804, '+4915112345678', 'Far again', now())")
    changes: dict[str, Any] = {
        "preflight": "enforce",
        "phone_types": ["mobile", "fixed_line", "fixed_line_or_mobile"],
    }
    result = project.run(**changes)
    assert result.success
    assert project.outcomes(result) == {"enrolled": 120, "invalid": 5}
    assert far_outcomes(project) == [
        ("800", "invalid/unsupported_destination_country"),
        ("801", "invalid/unsupported_destination_country"),
        ("802", "invalid/unsupported_destination_country"),
        ("803", "invalid/unsupported_prefix"),
        ("804", "invalid/unsupported_destination_country"),
    ]
    warned = check(result, "destinations")
    assert "IN (1 leads by prefix)" in (warned.description or "")
    assert "They were not planned (preflight: enforce)" in (warned.description or "")
    assert check(result, "conservation").passed
    again = project.run(**changes)
    assert project.outcomes(again) == {"duplicate": 120, "invalid": 5}
    # What is no longer enforced is planned again: nothing was claimed.
    warned_only = project.run(**(changes | {"preflight": "warn"}))
    assert project.outcomes(warned_only) == {"duplicate": 121, "rejected": 4}


def test_who_is_enrolled_already_stays_so_where_a_country_is_enabled_no_longer(
    project: Project,
) -> None:
    project.run()
    project.fill("INSERT INTO leads VALUES (805, '9876599999', 'New', now())")
    staged = project.run(selection=["screened_leads"])
    (screened,) = staged.get_asset_materialization_events()
    path = str(screened.materialization.metadata["staged_path"].value)
    only_us = Destinations([NetworkGroup("US", "United States", "1", ())], enforced=True)
    with Ledger(f"sqlite:///{project.folder / 'ledger.db'}") as ledger:
        plan = ledger.plans.begin(sync="loans", partition_key="", run_id="later")
        barred = plan_leads(
            plan,
            path,
            ledger=ledger,
            store=Store(str(project.folder / "store")),
            limits=BatchLimits("csv", 50, 9_000_000, "enrolment_ref"),
            dedupe=None,
            destinations=only_us,
        )
        assert ledger.accounts.of_plan(plan.plan_id).by_outcome() == {
            "duplicate": 120,
            "invalid": 1,
        }
    assert barred == (Barred("invalid/unsupported_destination_country", "IN", 1),)


@pytest.mark.parametrize("status", [404, 503])
def test_a_preflight_that_fails_holds_nothing_and_says_so(project: Project, status: int) -> None:
    project.fill(FAR)
    project.sandbox.order_fault("error_before", status=status, path=GROUPS, times=9)
    result = project.run(preflight="enforce")
    assert result.success
    warned = check(result, "destinations")
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    said = warned.description or ""
    assert f"HTTP {status}" in said
    assert "No lead was held back" in said
    assert "workflow" not in said
    assert project.outcomes(result) == {"enrolled": 120, "rejected": 3}


def test_a_preflight_without_a_key_leaves_the_preview_as_it_is(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DIALNEXA_API_KEY")
    result = project.run(selection=["screened_leads", "lead_batches"])
    assert result.success
    for name in ("destinations", "workflow_status"):
        assert "DIALNEXA_API_KEY is not set" in (check(result, name).description or "")


def test_a_sync_over_sip_routes_looks_at_no_destination(project: Project) -> None:
    project.fill(FAR)
    result = project.run(preflight=False)
    names = {each.check_name for each in result.get_asset_check_evaluations()}
    assert "destinations" not in names
    assert "workflow_status" in names


@pytest.mark.parametrize(
    ("asset", "spoil", "said"),
    [
        (
            "enrolments",
            "DELETE FROM dialnexa_enrolments WHERE lead_key < '3'",
            "dialnexa_enrolments shows enrolled",
        ),
        (
            "enrolments",
            "UPDATE dialnexa_enrolments SET state = 'called' WHERE lead_key = '3'",
            "dialnexa_enrolments shows enrolled 119 instead of 120, unknown 1 instead of 0",
        ),
        (
            "rejected_rows",
            "UPDATE dialnexa_rejected_rows SET outcome = 'suppressed'",
            "dialnexa_rejected_rows shows invalid 0 instead of 1, suppressed 1 instead of 0",
        ),
    ],
)
def test_a_record_table_that_somebody_changed_is_told_and_mended(
    project: Project, asset: str, spoil: str, said: str
) -> None:
    project.fill("INSERT INTO leads VALUES (901, '', 'Blank', now())")
    assert check(project.run(), "matches_ledger", asset).passed
    project.fill(spoil)
    project.fill("DELETE FROM leads WHERE id = 901" if asset == "enrolments" else "SELECT 1")
    result = project.run(selection=["enrolments", "enrolment_counts", "rejected_rows"])
    assert result.success
    told = check(result, "matches_ledger", asset)
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert said in (told.description or "")
    assert "`dialnexa records rebuild --sync loans` mends the table" in (told.description or "")


def test_counts_that_somebody_changed_are_told(project: Project) -> None:
    project.run()
    project.fill("UPDATE dialnexa_enrolment_counts SET enrolled = 119, planned = 1")
    told = check(project.run(selection=["enrolment_counts"]), "matches_ledger", "enrolment_counts")
    assert "shows enrolled 119 instead of 120, planned 1 instead of 0" in (told.description or "")


def test_withdrawn_leads_are_counted_on_both_sides(project: Project) -> None:
    project.run()
    done = CliRunner().invoke(app, ["withdraw", "--phone", "+919876500001", "--reason", "asked"])
    assert done.exit_code == 0, done.output
    result = project.run()
    assert check(result, "matches_ledger", "enrolments").passed
    assert project.rows(
        "SELECT state, count(*) FROM dialnexa_enrolments GROUP BY 1 ORDER BY 1"
    ) == [
        ("enrolled", 119),
        ("withdrawn", 1),
    ]


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({}, None),
        ({"freshness": "26h"}, timedelta(hours=26)),
        ({"schedule": "0 9 * * 1-5"}, timedelta(hours=3 * 24 + 2)),
        ({"schedule": "0 * * * *", "timezone": "Asia/Kolkata"}, timedelta(hours=3)),
        ({"schedule": "0 9 * * *", "freshness": "30h"}, timedelta(hours=30)),
        ({"schedule": "0 9 * * *", "freshness": False}, None),
        ({"schedule": "0 9 29 2 *"}, None),
    ],
)
def test_a_sync_is_overdue_by_its_own_word_or_by_its_schedule(
    project: Project, changes: dict[str, Any], window: timedelta | None
) -> None:
    graph = project.definitions(**changes).resolve_asset_graph()
    policy = graph.get(dg.AssetKey(["loans", "enrolments"])).freshness_policy
    assert policy == (dg.FreshnessPolicy.time_window(fail_window=window) if window else None)


def test_a_doubt_says_who_settles_it_and_a_held_one_how_it_is_released(project: Project) -> None:
    project.sandbox.order_fault("error_before", status=504, method="POST")
    first = check(project.run(in_doubt="hold"), "nothing_in_doubt")
    assert not first.passed
    assert "No sure answer to 1 batch with 50 leads." in (first.description or "")
    assert "`dialnexa reconcile` or the next run settles them" in (first.description or "")
    assert "Held" not in (first.description or "")
    job = project.definitions(in_doubt="hold").resolve_job_def("loans_reconcile")
    for _listing in range(2):
        job.execute_in_process(instance=project.instance)
    held = check(project.run(in_doubt="hold"), "nothing_in_doubt").description or ""
    assert "Held for a person: 1 batch" in held
    assert "`dialnexa reconcile --sync loans --release` lets the next run send them." in held
