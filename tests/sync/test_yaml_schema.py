"""The schema that editors complete YAML by: it takes what a sync takes and names its choices."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dialnexa_pipeline.project import find_syncs
from dialnexa_pipeline.yaml_schema import document_schema

PROJECT = Path(__file__).parents[2]


class EditorsLoader(yaml.SafeLoader):
    """Editors read YAML 1.2: a date and a bare `off` are text, `true` and `false` are not."""


EditorsLoader.yaml_implicit_resolvers = {
    letter: [pair for pair in resolvers if not pair[0].endswith((":timestamp", ":bool"))]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorsLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|false)$"), list("tf")
)


def problems(document: Any) -> list[str]:
    found = jsonschema.Draft7Validator(document_schema()).iter_errors(document)
    return [error.message for error in found]


def readme_example() -> dict[str, Any]:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(type: dialnexa_pipeline.*?)```", text, re.DOTALL)
    assert block is not None
    return yaml.load(block[1], EditorsLoader)


def test_the_schema_is_one_and_takes_every_example() -> None:
    jsonschema.Draft7Validator.check_schema(document_schema())
    assert problems(readme_example()) == []
    demo = [found.path for found in find_syncs(PROJECT / "dialnexa_pipeline" / "defs")]
    assert demo
    for path in demo:
        assert problems(yaml.load(path.read_text(encoding="utf-8"), EditorsLoader)) == []


def test_the_schema_takes_every_form_of_a_value() -> None:
    document = readme_example()
    document["attributes"] |= {
        "partitions": {"every": "day", "start": "2026-01-01", "look_back": "2d"},
        "preflight": "off",
        "freshness": "26h",
        "progress": {"schedule": "0 * * * *"},
        "dedupe": "30d",
    }
    assert problems(document) == []


@pytest.mark.parametrize(
    ("where", "key", "value", "said"),
    [
        ([], "workflw", "wf", "'workflw' was unexpected"),
        (["source"], "tabel", "leads", "'tabel' was unexpected"),
        (["batch"], "format", "json", "'json' is not one of ['csv', 'xlsx']"),
        ([], "in_doubt", "resend", "'resend' is not one of ['replan', 'hold']"),
        ([], "dedupe", "a month", "'a month' does not match"),
        ([], "dedupe", "0d", "'0d' does not match"),
        ([], "phone_types", ["cell"], "'cell' is not one of"),
        ([], "required_variables", "name", "'name' is not of type 'array'"),
    ],
)
def test_what_a_sync_refuses_is_refused_in_the_editor(
    where: list[str], key: str, value: object, said: str
) -> None:
    document = readme_example()
    place = document["attributes"]
    for step in where:
        place = place[step]
    place[key] = value
    (problem,) = problems(document)
    assert said in problem


def test_a_misspelt_component_is_refused_and_another_package_s_passes() -> None:
    assert problems({"type": "dialnexa_pipeline.LeadSinkComponent", "attributes": {}})
    assert problems({"type": "dagster_dbt.DbtProjectComponent", "attributes": {"any": 1}}) == []
    assert problems({"type": "dialnexa_pipeline.LeadSyncComponent"})
    alerts = {"slack": {"channel": "#calls"}}
    assert problems({"type": "dialnexa_pipeline.AlertsComponent", "attributes": alerts}) == []


def test_every_key_is_explained_and_every_default_is_a_value() -> None:
    schema = document_schema()
    for model in schema["$defs"].values():
        for name, key in model["properties"].items():
            assert key.get("description"), name
            if "default" in key and key["default"] is not None:
                # The default stands in the schema of the key, so it has to fit it.
                resolved = {**key, "$defs": schema["$defs"]}
                jsonschema.Draft7Validator(resolved).validate(key["default"])
