"""Templates such as `{{ env.WORKFLOW }}` in the values of a YAML document, filled in."""

import os
from collections.abc import Callable
from typing import Any

from dialnexa_pipeline.errors import ConfigError


def is_template(value: object) -> bool:
    """Whether a value is yet to be filled in, so that nothing can be said of it before."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def fill(value: Any, render: Callable[[str], Any], key: str = "") -> Any:
    """A value with every template in it filled in, whatever it is nested in.

    Args:
        render: what becomes of one template.
        key: where the value stands, for sentences.

    Raises:
        ConfigError: a template gives nothing; the sentence names its key.
    """
    if isinstance(value, dict):
        return {name: fill(each, render, f"{key}.{name}") for name, each in value.items()}
    if isinstance(value, list):
        return [fill(each, render, f"{key}.{place}") for place, each in enumerate(value)]
    if not is_template(value):
        return value
    try:
        filled = render(value)
    except ConfigError as error:
        raise ConfigError(f"{key.lstrip('.')}: {error}") from None
    if filled is None:
        raise ConfigError(
            f"{key.lstrip('.')}: its template gives nothing; set the environment variable that it "
            "names"
        )
    # Jinja makes a number of an id that is written in digits; a key that takes numbers reads text.
    is_number = isinstance(filled, int | float) and not isinstance(filled, bool)
    return str(filled) if is_number else filled


def of_environment(template: str) -> Any:
    """What Dagster makes of a template that names `env` alone, without Dagster.

    Raises:
        ConfigError: it names something else, or a variable that is not set.
    """
    # Few documents have templates, and every command would wait for the import.
    from jinja2 import Undefined
    from jinja2.nativetypes import NativeEnvironment

    try:
        filled = NativeEnvironment().from_string(template).render(env=_Variables())
    except ConfigError:
        raise
    except Exception:
        # Whatever Python may raise in an expression; its words may quote a value.
        filled = Undefined()
    if isinstance(filled, Undefined):
        raise ConfigError(
            "its template cannot be filled in outside Dagster, where only env is known; write it "
            "as {{ env.NAME }}"
        )
    return filled


class _Variables:
    """`env` as Dagster's templates know it: `env.NAME`, or `env('NAME', 'default')`."""

    def __call__(self, name: str, *default: object) -> object:
        if name not in os.environ and not default:
            raise ConfigError(f"the environment variable {name} is not set; set it")
        return os.environ.get(name, *default)

    def __getattr__(self, name: str) -> str | None:
        # Jinja asks every object for attributes of its own.
        if name.startswith("jinja"):
            raise AttributeError(name)
        return os.environ.get(name)
