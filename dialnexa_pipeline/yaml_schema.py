"""The JSON schema of a project's YAML documents: editors complete and check them by it."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from dialnexa_pipeline.alerts import AlertsConfig
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.sync import SyncConfig
from dialnexa_pipeline.sync_values import spell_duration

# In the root of a Dagster project, to be committed with it.
SCHEMA_FILE = "dialnexa.schema.json"
_COMPONENTS: dict[str, type[BaseModel]] = {
    "dialnexa_pipeline.LeadSyncComponent": SyncConfig,
    "dialnexa_pipeline.AlertsComponent": AlertsConfig,
}
# What Dagster takes in the document of any component.
_OF_DAGSTER = {
    "template_vars_module": {
        "type": "string",
        "description": "Python module whose template variables the attributes may use.",
    },
    "requirements": {
        "type": "object",
        "description": "What the component needs, for example env: [DIALNEXA_API_KEY].",
    },
    "post_processing": {
        "type": "object",
        "description": "Dagster's changes to the finished definitions.",
    },
}


class _AsWritten(GenerateJsonSchema):
    """Defaults as YAML says them, and no titles, which only repeat a key's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        return spell_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def document_schema() -> dict[str, Any]:
    """The schema of one YAML document; components of other packages pass it unread."""
    definitions: dict[str, Any] = {}
    branches: list[dict[str, Any]] = []
    for name, model in _COMPONENTS.items():
        schema = model.model_json_schema(
            ref_template="#/$defs/{model}", schema_generator=_AsWritten
        )
        definitions |= schema.pop("$defs", {})
        definitions[model.__name__] = schema
        branches.append(
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": {
                    "properties": {
                        "type": True,
                        "attributes": {"$ref": f"#/$defs/{model.__name__}"},
                        **_OF_DAGSTER,
                    },
                    "required": ["attributes"],
                    "additionalProperties": False,
                },
            }
        )
    return {
        # The newest that editors' YAML servers know.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {
                "description": "The component that the document configures.",
                "anyOf": [
                    {"enum": list(_COMPONENTS)},
                    {"type": "string", "not": {"pattern": r"^dialnexa_pipeline\."}},
                ],
            }
        },
        "allOf": branches,
        "$defs": definitions,
    }


def schema_text() -> str:
    """The schema as it is written to a file."""
    return json.dumps(document_schema(), indent=2, ensure_ascii=False) + "\n"


def write_schema(path: Path) -> None:
    """Write the schema.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        path.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The schema {path} cannot be written: {error.strerror}. Name another file."
        ) from None


def begin_with_schema(text: str, document: Path, project_root: Path) -> str:
    """A new YAML document with a first line by which editors find the schema, which is written."""
    schema = project_root / SCHEMA_FILE
    write_schema(schema)
    # Not Path.relative_to: before Python 3.12 it cannot walk up.
    found = Path(os.path.relpath(schema, document.parent)).as_posix()
    return f"# yaml-language-server: $schema={found}\n{text}"
