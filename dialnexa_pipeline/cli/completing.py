"""What a shell completes: the names of the project's syncs, and states of batches."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import typer


def complete_sync(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Names of the syncs in the YAML files below the project's folder."""
    from dialnexa_pipeline.project import find_syncs

    project = context.params.get("project") or Path()
    names = {found.config.name for found in find_syncs(Path(project)) if found.config is not None}
    return (name for name in sorted(names) if name.startswith(incomplete))


def complete_state(incomplete: str) -> Iterator[str]:
    """States that a batch may be in."""
    from dialnexa_pipeline.ledger import BatchState

    return (state for state in get_args(BatchState) if state.startswith(incomplete))
