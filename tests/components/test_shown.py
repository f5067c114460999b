"""What the UI shows of a materialisation: the funnel, numbers to plot, links and masked rows."""

import base64
import re
from io import BytesIO

import dagster as dg
import pytest

from dialnexa_pipeline.components.funnel import funnel
from dialnexa_pipeline.components.links import earlier_runs_table
from dialnexa_pipeline.enrolment import EarlierRuns
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.ledger import Account, Count, Plan
from dialnexa_pipeline.settings import Settings
from tests.components.conftest import Project

pytestmark = pytest.mark.servers


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    (shown,) = (
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["loans", asset])
    )
    return {name: value.value for name, value in shown.items()}


def test_a_column_is_traced_from_the_source_to_the_file(project: Project) -> None:
    result = project.run()
    screened = metadata_of(result, "screened_leads")["dagster/column_lineage"]
    uploaded = metadata_of(result, "lead_batches")["dagster/column_lineage"]
    assert isinstance(screened, dg.TableColumnLineage)
    assert isinstance(uploaded, dg.TableColumnLineage)
    (name,) = uploaded.deps_by_column["name"]
    assert (name.asset_key.path, name.column_name) == (["loans", "screened_leads"], "var:name")
    (source,) = screened.deps_by_column[name.column_name]
    assert (source.asset_key.path, source.column_name) == (["leads"], "name")
    assert [dep.column_name for dep in screened.deps_by_column["raw_phone"]] == ["mobile"]


def test_a_column_says_where_it_comes_from(project: Project) -> None:
    result = project.run()
    said = {}
    for asset in ("rejected_rows", "enrolments", "screened_leads", "lead_batches"):
        schema = metadata_of(result, asset)["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert all(column.description for column in schema.columns)
        said |= {column.name: column.description for column in schema.columns}
    assert said["lead_key"] == "From id of the source."
    assert said["var:name"] == "From name of the source."
    assert said["name"] == "From var:name of screened_leads."
    assert said["outcome"] == "Null for a lead that may be planned."


def test_the_pace_of_a_step_is_a_number_to_plot(project: Project) -> None:
    result = project.run()
    for asset, name in {
        "screened_leads": "rows_per_second",
        "lead_batches": "rows_per_second",
        "enrolments": "leads_per_second",
    }.items():
        pace = metadata_of(result, asset)[name]
        assert isinstance(pace, float)
        assert pace > 0


def rows_of(table: object) -> list[dict[str, object]]:
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


# In the vendor's words and ours: 10 rows cannot be called, and 2 share a number with another.
BROKEN = (
    "UPDATE leads SET mobile = '12' WHERE id < 6",
    "UPDATE leads SET name = NULL WHERE id BETWEEN 6 AND 9",
    "UPDATE leads SET mobile = '9876500012' WHERE id IN (10, 11)",
)


def test_every_outcome_and_every_reason_is_a_number_to_plot(project: Project) -> None:
    for sql in BROKEN:
        project.fill(sql)
    result = project.run()
    for asset in ("lead_batches", "enrolments"):
        shown = metadata_of(result, asset)
        assert shown["leads/invalid"] == 10
        assert shown["invalid/too_short"] == 6
        assert shown["invalid/blank_variable"] == 4
        assert shown["duplicate/same_number"] == 2
    assert metadata_of(result, "enrolments")["leads/enrolled"] == 108
    assert metadata_of(result, "screened_leads")["invalid/too_short"] == 6
    rejected = metadata_of(result, "rejected_rows")
    assert rejected["invalid/too_short"] == 6
    assert rejected["dagster/row_count"] == 12


def test_a_workflow_has_one_row_with_a_column_for_each_outcome(project: Project) -> None:
    project.sandbox.control("POST", "workflows", {"id": "wf_cards", "status": "active"})
    project.fill("ALTER TABLE leads ADD COLUMN wf VARCHAR")
    project.fill("UPDATE leads SET wf = CASE WHEN id < 20 THEN 'wf_cards' END")
    project.fill("UPDATE leads SET wf = 'wf_home_loans' WHERE id >= 30")
    result = project.run(workflow=None, workflow_column="wf")
    shown = {
        row.pop("workflow_id"): row
        for row in rows_of(metadata_of(result, "enrolments")["workflows"])
    }
    assert shown == {
        "(blank)": {"leads": 10, "enrolled": 0, "invalid": 10},
        "wf_home_loans": {"leads": 90, "enrolled": 90, "invalid": 0},
        "wf_cards": {"leads": 20, "enrolled": 20, "invalid": 0},
    }


def test_refused_rows_are_shown_masked(project: Project) -> None:
    project.fill("UPDATE leads SET mobile = '+91 12345 ' || (10000 + id) WHERE id < 30")
    result = project.run()
    for asset in ("screened_leads", "rejected_rows"):
        sample = rows_of(metadata_of(result, asset)["sample"])
        assert len(sample) == 20
        for row in sample:
            assert "12345" not in str(row["raw_phone"])
            assert str(row["reason"]).startswith("invalid/")


def test_the_funnel_is_a_row_a_step_with_a_bar_and_the_same_in_words(project: Project) -> None:
    for sql in BROKEN:
        project.fill(sql)
    said = str(metadata_of(project.run(), "enrolments")["funnel"])
    steps = re.findall(r"^\|(\w+)\|(.*?)\|!\[\]\((.*?)\)\|(.*?)\|$", said, re.MULTILINE)
    assert [(name, leads, lost) for name, leads, _, lost in steps] == [
        ("source", "120", ""),
        ("eligible", "110", "10 invalid"),
        ("planned", "108", "2 duplicate"),
        ("enrolled", "108", ""),
    ]
    assert [width_of(picture) for _, _, picture, _ in steps] == [120, 110, 108, 108]


def test_a_large_funnel_is_shown_without_a_click() -> None:
    account = Account(
        Plan("p", "s", "", "r"),
        123_456_789,
        tuple(
            Count("w", reason.split("/")[0], reason, 11_111_111)
            for reason in (
                "enrolled",
                "invalid/blank",
                "duplicate/same_number",
                "suppressed/withdrawn",
                "in_doubt/earlier_run",
                "in_doubt/no_answer",
                "planned/other_run",
                "planned/not_sent",
                "rejected/refused",
            )
        ),
    )
    said = str(funnel(account).value)
    assert len(said) < 1_000
    assert "11,111,111 in doubt before, 11,111,111 in other runs" in said
    assert "11,111,111 rejected, 11,111,111 in doubt, 11,111,111 not sent yet" in said


def test_a_run_without_rows_has_a_funnel_too(project: Project) -> None:
    project.fill("DELETE FROM leads")
    said = str(metadata_of(project.run(), "enrolments")["funnel"])
    assert len(re.findall(r"^\|\w+\|0\|!.*\|\|$", said, re.MULTILINE)) == 4


def width_of(picture: str) -> int:
    from PIL import Image

    kind, _, data = picture.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(BytesIO(base64.b64decode(data))).width


def test_leads_that_are_enrolled_already_are_linked_to_the_runs_that_did_it(
    project: Project,
) -> None:
    project.fill("CREATE TABLE later AS SELECT * FROM leads WHERE id >= 80")
    project.fill("DELETE FROM leads WHERE id >= 80")
    first = project.run()
    assert "already_enrolled" not in metadata_of(first, "lead_batches")
    project.fill("INSERT INTO leads SELECT * FROM later")
    second = project.run()
    third = project.run()
    assert project.outcomes(third) == {"duplicate": 120}
    assert metadata_of(second, "lead_batches")["already_enrolled"] == (
        f"|leads|enrolled by run|\n|-:|-|\n|80|[{first.run_id[:8]}](/runs/{first.run_id})|"
    )
    assert str(metadata_of(third, "lead_batches")["already_enrolled"]).splitlines()[2:] == [
        f"|80|[{first.run_id[:8]}](/runs/{first.run_id})|",
        f"|40|[{second.run_id[:8]}](/runs/{second.run_id})|",
    ]


def test_many_earlier_runs_and_many_leads_are_summed_up() -> None:
    runs = EarlierRuns({f"run{number}": 20 - number for number in range(12)}, looked_at=20_000)
    said = str(earlier_runs_table(runs, wanted=500).value)
    assert said.count("/runs/") == 10
    assert "|19|2 other runs|" in said
    assert "Of 500: only the first 20,000 leads were looked up." in said


def test_a_materialisation_links_its_workflow_its_upstream_run_and_its_rejected_rows(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_WORKFLOW_URL", "https://app.test/workflows/{workflow_id}/leads")
    screened = project.run(selection=["screened_leads"])
    planned = project.run(selection=["lead_batches"])
    sent = project.run(selection=["enrolments"])
    assert metadata_of(planned, "lead_batches")["upstream_run"] == screened.run_id
    shown = metadata_of(sent, "enrolments")
    assert shown["planned_in_run"] == planned.run_id
    assert shown["not_enrolled"] == dg.AssetKey(["loans", "rejected_rows"])
    assert shown["in_dialnexa"] == (
        "[`wf_home_loans`](https://app.test/workflows/wf_home_loans/leads)"
    )


def test_the_upstream_run_of_a_sync_is_the_one_that_built_its_table(project: Project) -> None:
    assert "upstream_run" not in metadata_of(project.run(), "screened_leads")

    @dg.asset(name="leads")
    def leads() -> dg.MaterializeResult:
        return dg.MaterializeResult()

    built = dg.materialize([leads], instance=project.instance)
    assert metadata_of(project.run(), "screened_leads")["upstream_run"] == built.run_id
    assert "in_dialnexa" not in metadata_of(project.run(), "enrolments")


def test_a_workflow_address_without_a_placeholder_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIALNEXA_WORKFLOW_URL", "https://app.test/workflows")
    with pytest.raises(ConfigError, match=r"DIALNEXA_WORKFLOW_URL .* \{workflow_id\}"):
        Settings.from_environment()
