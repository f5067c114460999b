"""What the UI says of a sync's assets before anything ran: its YAML in plain words."""

from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.snap import JobSnap
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap

from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.sync import SyncConfig
from tests.components.conftest import BASE


def definitions(**changes: Any) -> dg.Definitions:
    return dg.Definitions.merge(
        sync_definitions(SyncConfig.model_validate({**BASE, **changes})),
        dg.Definitions(resources=default_resources()),
    )


def specs(**changes: Any) -> dict[str, dg.AssetSpec]:
    found = definitions(**changes).resolve_all_asset_specs()
    return {spec.key.path[-1]: spec for spec in found}


def said(asset: str, **changes: Any) -> str:
    return specs(**changes)[asset].description or ""


def source(**changes: Any) -> dict[str, Any]:
    return {**BASE["source"], **changes}


def test_screened_leads_say_what_is_read_and_what_leaves() -> None:
    text = said("screened_leads", variables={"name": "full_name", "city": "city"})
    assert "`leads`, a row for each `id`" in text
    assert "column `mobile`. A number in national form is one of IN" in text
    assert "mobile and fixed line or mobile" in text
    assert "`phone_number`, `name` (from `full_name`), `city` and `enrolment_ref`" in text
    assert "nothing else" in text
    assert "**Never blank**: `name`" in text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"country": "cc"}, "of the country in `cc` or else in IN."),
        ({"country": "cc", "default_country": None}, "of the country in `cc`."),
        ({"default_country": None}, "A number needs its `+` and country code."),
        ({"table": None, "file": "a.xlsx", "sheet": "May"}, "the file `a.xlsx`, sheet `May`"),
        ({"table": None, "query": "SELECT secret FROM t"}, "a query of its own"),
    ],
)
def test_a_source_is_told_as_it_is_configured(changed: dict[str, Any], sentence: str) -> None:
    text = said("screened_leads", source=source(**changed))
    assert sentence in text
    assert "SELECT" not in text


def test_a_partition_is_told_with_its_zone_and_look_back() -> None:
    text = said(
        "screened_leads",
        source=source(updated_at="changed"),
        timezone="Asia/Kolkata",
        partitions={"every": "hour", "start": "2026-01-01", "look_back": "48h"},
    )
    assert (
        "A partition holds an hour of `changed` in Asia/Kolkata, from 2026-01-01 on, and reads the "
        "2 days before it again."
    ) in text


def test_lead_batches_say_how_files_are_cut_and_what_holds_them() -> None:
    text = said(
        "lead_batches",
        batch={"format": "xlsx", "max_rows": 5000, "max_bytes": "9MB"},
        dedupe="36h",
        guard={"max_leads": 50_000, "max_growth": 3.0, "max_reject_rate": 0.2},
        preflight="enforce",
    )
    assert "XLSX, one workflow each, at most 5,000 leads and 9 MB" in text
    assert "is not enrolled there again for 36 hours" in text
    assert (
        "more than 50,000 leads, more than 3 times the leads of recent runs or more than 20% of "
        "the rows refused, until somebody approves it with `dialnexa approve loans`"
    ) in text
    assert "is refused" in text
    assert "**Guard**: none." in said("lead_batches")
    assert "is never enrolled there again" in said("lead_batches")


def test_enrolments_say_where_leads_go_when_and_what_a_doubt_does() -> None:
    text = said("enrolments", schedule="0 9 * * 1-5", timezone="Asia/Kolkata")
    assert "`wf_home_loans`. An active one calls its leads at once." in text
    assert "planned again by the next run" in text
    assert "`0 9 * * 1-5`, in Asia/Kolkata" in text
    assert "Side by side" not in text
    routed = said(
        "enrolments",
        workflow=None,
        workflow_column="wf",
        in_doubt="hold",
        activation="after_reconcile",
        workflows_at_once=7,
    )
    assert "the one that column `wf` names" in routed
    assert "files of up to 7 workflows" in routed
    assert "`dialnexa reconcile --release`" in routed
    assert "activated once every lead is seen" in routed


def test_every_asset_is_found_by_sync_workflow_owner_and_kind() -> None:
    found = specs(owners=["team:growth"], progress=True)
    found.pop("leads")
    assert len(found) == 6
    for spec in found.values():
        assert spec.tags["dialnexa/sync"] == "loans"
        assert spec.tags["dialnexa/workflow"] == "wf_home_loans"
        assert spec.owners == ["team:growth"]
        assert spec.group_name == "loans"
        assert spec.kinds


def test_the_summary_tells_one_of_forty_syncs_from_the_others_in_a_list() -> None:
    found = specs(progress=True, source=source(table="crm.callbacks"))
    found.pop("callbacks")
    for asset, spec in found.items():
        summary, _, rest = (spec.description or "").partition("\n\n")
        assert ("crm.callbacks" if asset == "screened_leads" else "loans") in summary
        assert "`" not in summary, "a list does not read Markdown"
        assert rest.startswith("- **")


def test_a_workflow_that_dagster_takes_for_no_tag_is_left_out() -> None:
    tags = specs(workflow="home loans/May")["enrolments"].tags
    assert "dialnexa/workflow" not in tags
    assert tags["dialnexa/sync"] == "loans"


def test_the_launchpad_offers_what_a_run_may_change_and_no_resources() -> None:
    """It would put stars in place of their secrets, and the run would be given the stars."""
    job = JobSnap.from_job_def(definitions().resolve_job_def("loans"))
    schema = job.config_schema_snapshot
    root = schema.get_config_snap(job.mode_def_snaps[0].root_config_key or "")
    offered = yaml.safe_load(default_values_yaml_from_type_snap(schema, root))
    assert offered == {"ops": {"loans__screened_leads": {"config": {"full_scan": False}}}}
