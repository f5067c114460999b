"""This project's own Dagster definitions: the syncs and dbt models under `defs/`."""

from pathlib import Path

import dagster as dg

from dialnexa_pipeline.components import default_resources


@dg.definitions
def defs() -> dg.Definitions:
    """Everything under `defs/`, with the four resources bound from the environment."""
    project_root = Path(__file__).parent.parent
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=project_root),
        dg.Definitions(resources=default_resources()),
    )
