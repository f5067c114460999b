"""The YAML document that a component is loaded from."""

from pathlib import Path

import dagster as dg

from dialnexa_pipeline.yaml_documents import refuse_repeated_keys


def refuse_unclear_document(context: dg.ComponentLoadContext) -> None:
    """Refuse a document that says something twice; a component made in Python has none.

    Raises:
        ConfigError: a key is given twice; the sentence names file, key and lines.
    """
    written = context.resolution_context.source_position_tree
    if written is not None:
        refuse_repeated_keys(Path(written.position.filename))
