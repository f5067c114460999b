"""YAML documents as they are written: their values, each key once, and the line of a mistake."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dialnexa_pipeline.errors import ConfigError

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file.

    Attributes:
        repeated: a sentence for each key that is given twice, of which YAML keeps the last.
    """

    value: Any
    repeated: list[str]


def read_documents(text: str) -> list[Document]:
    """The documents of a YAML text.

    Raises:
        ConfigError: the text is not YAML; the sentence says in which line.
    """
    try:
        return [
            # In this order: constructing a mapping puts into it what `<<` merges in.
            Document(repeated=list(_repeated(node)), value=_value(node))
            for node in yaml.compose_all(text, Loader=yaml.SafeLoader)
        ]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise ConfigError(
            f"{line}this is not YAML ({error.problem or error.context}); correct the document there"
        ) from None
    except yaml.YAMLError:
        # Its words quote the text.
        raise ConfigError(
            "this is not YAML: it holds a character that YAML does not know; save it as UTF-8 text"
        ) from None


def refuse_repeated_keys(path: Path) -> None:
    """Refuse a file in which a key is given twice: YAML's readers silently keep the last.

    Raises:
        ConfigError: one is; the sentence names file, key and lines.
    """
    for document in read_documents(path.read_text(encoding="utf-8")):
        if document.repeated:
            raise ConfigError(f"{path}: {'; '.join(document.repeated)}.")


def _value(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_document(node)


def _repeated(node: yaml.Node) -> Iterator[str]:
    waiting: list[tuple[tuple[str, ...], yaml.Node]] = [((), node)]
    # An alias is the very node that its anchor names, and may even lie within it.
    seen: set[int] = set()
    while waiting:
        at, each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, yaml.SequenceNode):
            waiting += [((*at, str(place)), item) for place, item in enumerate(each.value)]
        elif isinstance(each, yaml.MappingNode):
            yield from _repeated_keys(each, at)
            waiting += [((*at, str(key.value)), value) for key, value in _pairs(each)]


def _repeated_keys(mapping: yaml.MappingNode, at: tuple[str, ...]) -> Iterator[str]:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in _pairs(mapping):
        name = (key.tag, key.value)
        line = key.start_mark.line + 1
        if name in lines and key.tag != _MERGE:
            spelt = ".".join((*at, key.value)).removeprefix("attributes.")
            yield f"{spelt}: line {line} gives this key again after line {lines[name]}; keep one"
        lines.setdefault(name, line)


def _pairs(mapping: yaml.MappingNode) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    return [(key, value) for key, value in mapping.value if isinstance(key, yaml.ScalarNode)]
