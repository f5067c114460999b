"""A configuration model that refuses unknown keys and names the ones it knows."""

from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator


class StrictModel(BaseModel):
    """Frozen; a misspelt key is answered with the key that was probably meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _knows_every_key(cls, given: Any) -> Any:
        if isinstance(given, dict):
            known = list(cls.model_fields)
            for key in given:
                if key not in known:
                    close = get_close_matches(str(key), known, n=1)
                    meant = f"did you mean {close[0]!r}? " if close else ""
                    raise ValueError(f"unknown key {key!r}; {meant}choices: {', '.join(known)}")
        return given


def problems(error: ValidationError) -> str:
    """What is wrong with a model, each problem with its key."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'attributes'}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_input=False, include_url=False)
    )
