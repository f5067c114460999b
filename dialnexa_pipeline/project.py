"""The syncs of a project, found in its YAML files without loading Dagster."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.strict_model import problems
from dialnexa_pipeline.sync import SyncConfig
from dialnexa_pipeline.templates import fill, of_environment
from dialnexa_pipeline.yaml_documents import read_documents

_USUAL = "dialnexa_pipeline.LeadSyncComponent"
COMPONENT_TYPES = frozenset({_USUAL, "dialnexa_pipeline.components.LeadSyncComponent"})
_OTHER_TYPES = frozenset(
    {"dialnexa_pipeline.AlertsComponent", "dialnexa_pipeline.components.AlertsComponent"}
)
_SKIPPED_FOLDERS = frozenset({".venv", "venv", "node_modules", ".git", "target", "site-packages"})


# Where a file that is not YAML says that it configures a sync.
_MEANS_A_SYNC = re.compile(
    r"^[^\w#]*type:.*(LeadSync|dialnexa_pipeline\.\w+Component)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class FoundSync:
    """A sync in a YAML file, or what is wrong with it."""

    path: Path
    config: SyncConfig | None
    problem: str = ""
    name: object = None

    @property
    def sentence(self) -> str:
        """What is wrong, and in which file."""
        return f"{self.path}: {self.problem}" + ("" if self.problem.endswith("?") else ".")


def find_syncs(project: Path) -> list[FoundSync]:
    """Every LeadSyncComponent in the YAML files below a folder, and every one that is misspelt."""
    found = [sync for path in sorted(_yaml_files(project)) for sync in _syncs_of(path)]
    files: dict[str, list[Path]] = {}
    for sync in found:
        if sync.config is not None:
            files.setdefault(sync.config.name, []).append(sync.path)
    return [_alone(sync, files) for sync in found]


def sync_named(name: str, project: Path) -> SyncConfig:
    """The sync of that name below a folder.

    Raises:
        ConfigError: there is none, or its YAML is wrong.
    """
    syncs = find_syncs(project)
    for sync in syncs:
        if sync.name == name:
            if sync.config is None:
                raise ConfigError(sync.sentence)
            return sync.config
    wrong = "".join(f" {sync.sentence}" for sync in syncs if sync.config is None)
    names = ", ".join(sync.config.name for sync in syncs if sync.config is not None)
    where = f"There is no sync {name!r} in the YAML files below {project.absolute()}"
    if wrong and not names:
        raise ConfigError(f"{where} that can be read.{wrong}")
    raise ConfigError(f"{where}; there are {names or 'none'}.{wrong}")


def refuse_second(name: str, project: Path) -> None:
    """Refuse a sync's name that two documents below a folder give.

    Raises:
        ConfigError: they do; the sentence names their files.
    """
    # Called for each sync, so only files that hold the name are parsed.
    files = [path for path in _yaml_files(project) if name.encode() in _bytes_of(path)]
    syncs = [sync for path in sorted(files) for sync in _syncs_of(path)]
    paths = [str(sync.path) for sync in syncs if sync.config is not None and sync.name == name]
    if len(paths) > 1:
        raise ConfigError(
            f"{len(paths)} syncs have the name {name!r}, in {', '.join(paths)}; give each a name "
            "of its own."
        )


def _alone(sync: FoundSync, files: dict[str, list[Path]]) -> FoundSync:
    """The sync, unless another document has its name: then neither can be told apart."""
    paths = files[sync.config.name] if sync.config is not None else []
    if len(paths) < 2:
        return sync
    others = list(paths)
    others.remove(sync.path)
    problem = (
        f"name: {sync.name!r} is the name of another sync as well, in "
        f"{', '.join(map(str, others))}; give one of them another name, or narrow --project"
    )
    return replace(sync, config=None, problem=problem)


def _syncs_of(path: Path) -> Iterator[FoundSync]:
    data = _bytes_of(path)
    try:
        documents = read_documents(data.decode("utf-8"))
    except (ConfigError, UnicodeDecodeError) as error:
        # Other people's templates end in .yaml too, and are none of ours.
        if _MEANS_A_SYNC.search(data.replace(b"\0", b"").decode("ascii", errors="replace")):
            is_text = isinstance(error, ConfigError)
            problem = str(error) if is_text else "this is not UTF-8 text; save it as UTF-8"
            yield FoundSync(path, None, problem)
        return
    for document in documents:
        value = document.value
        if not isinstance(value, dict):
            continue
        kind = value.get("type")
        if isinstance(kind, str) and kind in COMPONENT_TYPES:
            attributes = value.get("attributes") or {}
            name = attributes.get("name") if isinstance(attributes, dict) else None
            problem = "; ".join(document.repeated)
            sync = FoundSync(path, None, problem) if problem else _read_sync(path, attributes)
            yield replace(sync, name=name if sync.config is None else sync.config.name)
        elif (meant := _misspelt(value)) is not None:
            yield FoundSync(path, None, meant)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        # A link to nowhere, or a file of somebody else's.
        return b""


def _misspelt(document: dict[Any, Any]) -> str | None:
    """What a document that is no sync was probably meant to say."""
    for key, value in document.items():
        if isinstance(value, str) and value in COMPONENT_TYPES:
            return f"unknown key {key!r}; did you mean 'type'?"
    kind = document.get("type")
    if not isinstance(kind, str) or kind in _OTHER_TYPES:
        return None
    close = get_close_matches(kind, [*COMPONENT_TYPES, *_OTHER_TYPES], n=1, cutoff=0.9)
    if not close and not re.fullmatch(r"dialnexa_pipeline(\.components)?\.\w+", kind):
        return None
    return f"type: there is no component {kind!r}; did you mean {(close or [_USUAL])[0]!r}?"


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
