"""The harness can fail: every way of breaking the protocol is noticed."""

import re

import pytest

from benchmarks.chaos.campaign import play
from benchmarks.chaos.history import HistoryResult
from benchmarks.chaos.place import Place
from benchmarks.chaos.world import Ledger
from tests.chaos.mutants import MUTANTS

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]

_AT_MOST = 40


@pytest.mark.parametrize(("mutant", "symptom"), MUTANTS.items())
def test_a_broken_protocol_is_noticed(where: list[Place], mutant: str, symptom: str) -> None:
    seeds: list[tuple[int, Ledger]] = [(seed, "sqlite") for seed in range(_AT_MOST)]
    caught: list[HistoryResult] = []

    def told(result: HistoryResult) -> bool:
        said = "\n".join(result.verdict.violations)
        if re.search(symptom, said) and not result.verdict.is_void:
            caught.append(result)
        return not caught

    play(where, seeds, dagster_share=0.0, mutant=f"tests.chaos.mutants:{mutant}", told=told)
    assert caught, f"{_AT_MOST} histories did not notice {mutant}"
