"""The YAML document that a component is loaded from: checked, and its templates filled in."""

from pathlib import Path
from typing import TypeVar

import dagster as dg
from pydantic import ValidationError

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.strict_model import StrictModel, problems
from dialnexa_pipeline.templates import fill
from dialnexa_pipeline.yaml_documents import refuse_repeated_keys

_Model = TypeVar("_Model", bound=StrictModel)


def configured(attributes: _Model, context: dg.ComponentLoadContext) -> _Model:
    """The attributes of a document with their templates filled in.

    Raises:
        ConfigError: a key is given twice, or a template is filled with what its key does not take;
            the sentence names the file.
    """
    position = context.resolution_context.source_position_tree
    # A component that is made in Python has no file.
    path = Path(position.position.filename) if position is not None else None
    if path is not None:
        refuse_repeated_keys(path)
    try:
        written = attributes.model_dump(exclude_unset=True)
        filled = fill(written, context.resolution_context.resolve_value)
        return type(attributes).model_validate(filled)
    except ConfigError as error:
        said = str(error)
    except ValidationError as error:
        said = problems(error)
    raise ConfigError(f"{path}: {said}." if path is not None else f"{said}.")
