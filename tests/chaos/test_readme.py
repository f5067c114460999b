"""The figures in README.md are those of the results that were measured."""

import json
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_README = " ".join((_ROOT / "README.md").read_text().split())


def _results(name: str) -> dict[str, Any]:
    return json.loads((_ROOT / "benchmarks" / "results" / name).read_text())


def test_the_table_says_what_the_peer_and_we_did() -> None:
    peer = _results("dlt_peer.json")
    assert f"{peer['leads']:,} leads in files of {peer['batch_rows']:,}" in _README
    assert f"dlt {peer['dlt'].removeprefix('dlt==')}'s custom destination" in _README
    lines: dict[str, list[str]] = {}
    for line in peer["lines"]:
        figures = (line["rows_sent"], line["enrolled_twice"], line["left_out"])
        lines.setdefault(line["fault"], []).extend(f"{figure:,}" for figure in figures)
        assert line["said"] == "success", "the README says that every run succeeded"
    table = " ".join(f"| {fault} | {' | '.join(told)} |" for fault, told in lines.items())
    assert table in _README


@pytest.mark.parametrize("name", ["chaos.json", "chaos_large.json"])
def test_the_sums_are_those_of_the_campaigns(name: str) -> None:
    sums = _results(name)
    large = f" --leads {sums['leads']}" if sums["leads"] else ""
    assert f"`python -m benchmarks.chaos{large} --histories {sums['histories']}`" in _README
    assert (
        f"{sums['histories']:,} histories, {sums['runs']:,} runs, "
        f"{sum(sums['faults'].values()):,} faults, {sums['leads_enrolled']:,} leads enrolled, "
        f"{sums['enrolled_twice']} twice, {sums['unaccounted']} unaccounted, "
        f"{sums['void']} void"
    ) in _README
