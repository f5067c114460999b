"""The syncs of a project, found in its YAML files without loading Dagster."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.strict_model import problems
from dialnexa_pipeline.sync import SyncConfig
from dialnexa_pipeline.templates import fill, of_environment
from dialnexa_pipeline.yaml_documents import read_documents

COMPONENT_TYPES = frozenset(
    {
        "dialnexa_pipeline.LeadSyncComponent",
        "dialnexa_pipeline.components.LeadSyncComponent",
    }
)
_SKIPPED_FOLDERS = frozenset({".venv", "venv", "node_modules", ".git", "target", "site-packages"})


@dataclass(frozen=True, slots=True)
class FoundSync:
    """A sync in a YAML file, or what is wrong with it."""

    path: Path
    config: SyncConfig | None
    problem: str = ""


def find_syncs(project: Path) -> list[FoundSync]:
    """Every LeadSyncComponent in the YAML files below a folder."""
    found: list[FoundSync] = []
    for path in sorted(_yaml_files(project)):
        try:
            documents = read_documents(path.read_text(encoding="utf-8"))
        except (ConfigError, UnicodeDecodeError, OSError):
            continue
        for document in documents:
            value = document.value
            if not isinstance(value, dict) or value.get("type") not in COMPONENT_TYPES:
                continue
            if document.repeated:
                found.append(FoundSync(path, None, "; ".join(document.repeated)))
            else:
                found.append(_read_sync(path, value.get("attributes") or {}))
    return found


def sync_named(name: str, project: Path) -> SyncConfig:
    """The sync of that name below a folder.

    Raises:
        ConfigError: there is none, or its YAML is wrong.
    """
    syncs = find_syncs(project)
    for sync in syncs:
        if sync.config is not None and sync.config.name == name:
            return sync.config
    wrong = [f"{sync.path}: {sync.problem}" for sync in syncs if sync.config is None]
    names = [sync.config.name for sync in syncs if sync.config is not None]
    raise ConfigError(
        f"There is no sync {name!r} in the YAML files below {project.absolute()}; there are "
        f"{', '.join(names) or 'none'}." + "".join(f" {each}." for each in wrong)
    )


def _yaml_files(project: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(project):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
        yield from (Path(folder) / name for name in files if name.endswith((".yaml", ".yml")))


def _read_sync(path: Path, attributes: object) -> FoundSync:
    """As Dagster reads it: checked as it is written, and again with its templates filled in."""
    try:
        written = SyncConfig.model_validate(attributes).model_dump(exclude_unset=True)
        return FoundSync(path, SyncConfig.model_validate(fill(written, of_environment)))
    except ConfigError as error:
        return FoundSync(path, None, str(error))
    except ValidationError as error:
        return FoundSync(path, None, problems(error))
