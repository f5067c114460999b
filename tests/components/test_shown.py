"""What the UI shows of a materialisation beside its counts."""

import dagster as dg
import pytest

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
    for asset in ("screened_leads", "lead_batches"):
        schema = metadata_of(result, asset)["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        said |= {column.name: column.description for column in schema.columns}
    assert said["lead_key"] == "From id of the source."
    assert said["var:name"] == "From name of the source."
    assert said["name"] == "From var:name of screened_leads."
    assert said["outcome"] is None


def test_the_pace_of_a_step_is_a_number_to_plot(project: Project) -> None:
    result = project.run()
    for asset in ("screened_leads", "lead_batches"):
        pace = metadata_of(result, asset)["rows_per_second"]
        assert isinstance(pace, float)
        assert pace > 0
