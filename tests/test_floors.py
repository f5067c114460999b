"""Imports go one way: the floors of docs/design.md are those of the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "dialnexa_pipeline"
WITH_DAGSTER = {"components", "defs", "definitions"}
TOP = "__init__"


def floors() -> dict[str, int]:
    """Package or module → its floor, as the design's list says."""
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8").partition("## Floors")[2]
    lines = re.findall(r"^(\d+)\. (.+)$", text, re.MULTILINE)
    return {name: int(number) for number, names in lines for name in re.findall(r"`(\w+)`", names)}


def parts() -> dict[str, list[Path]]:
    """Package or module → its files."""
    found: dict[str, list[Path]] = {}
    for path in (ROOT / PACKAGE).rglob("*.py"):
        name = path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")
        found.setdefault(name, []).append(path)
    return found


def imported(path: Path) -> Iterator[str]:
    """Modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            yield from (f"{PACKAGE}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


@pytest.mark.parametrize(("name", "files"), [*parts().items()])
def test_a_package_imports_only_from_floors_below_its_own(name: str, files: list[Path]) -> None:
    known = floors()
    own = 99 if name == TOP else 0 if name == "sandbox" else known[name]
    for path in files:
        for module in imported(path):
            first, _, rest = module.partition(".")
            assert first != "dagster" or name in WITH_DAGSTER, path
            other = rest.partition(".")[0]
            if first != PACKAGE or other in {"", name}:
                continue
            if other == "sandbox":
                assert name == "cli", path
            else:
                assert known[other] < own, f"{path} imports {module}"
