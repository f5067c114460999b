"""Tables that are written by the code they describe, so that they cannot grow stale."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import click
import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dialnexa_pipeline.alerts import AlertsConfig
from dialnexa_pipeline.cli import app
from dialnexa_pipeline.leads import REASONS
from dialnexa_pipeline.sync import SyncConfig
from dialnexa_pipeline.sync_values import spell_duration


def on_page_markdown(markdown: str, **_more: Any) -> str:
    """mkdocs calls this for every page: fill its marks in."""
    marks = {
        "<!-- keys -->": lambda: _key_table(SyncConfig),
        "<!-- alert keys -->": lambda: _key_table(AlertsConfig),
        "<!-- reasons -->": _reason_table,
        "<!-- commands -->": _command_table,
    }
    for mark, table in marks.items():
        if mark in markdown:
            markdown = markdown.replace(mark, "\n".join(table()))
    return markdown


def _key_table(model: type[BaseModel]) -> Iterator[str]:
    yield "| key | default | meaning |\n|---|---|---|"
    yield from _keys(model, "")


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"| `{prefix}{name}` | {_default(field)} | {field.description or ''} |"
        inner = _model_of(field)
        if inner is not None:
            yield from _keys(inner, f"{prefix}{name}.")


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required() or value is PydanticUndefined:
        return "required"
    if isinstance(value, timedelta) and value:
        return f"`{spell_duration(value)}`"
    if value is None or value in ([], {}, timedelta(0)) or isinstance(value, BaseModel):
        return "forever" if "forever" in (field.description or "") else "none"
    return f"`{', '.join(value) if isinstance(value, list) else value}`"


def _reason_table() -> Iterator[str]:
    yield "| reason | what it means, and how to mend it |\n|---|---|"
    for reason, sentence in REASONS.items():
        yield f"| `{reason}` | {sentence} |"


def _command_table() -> Iterator[str]:
    yield "| command | does |\n|---|---|"
    yield from _commands(typer.main.get_command(app), "dialnexa")


def _commands(group: click.Command, name: str) -> Iterator[str]:
    if not isinstance(group, click.Group):
        does = (group.help or "").replace("\n", " ").strip()
        options = ", ".join(
            f"`{option.opts[0]}`" for option in group.params if isinstance(option, click.Option)
        )
        yield f"| `{name}` | {does}{f' Options: {options}.' if options else ''} |"
        return
    for each, command in group.commands.items():
        yield from _commands(command, f"{name} {each}")
