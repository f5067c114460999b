"""Seeded histories of faults, kills and rivals: nobody is enrolled twice and nothing is lost."""

import pytest

from benchmarks.chaos.campaign import play, tell
from benchmarks.chaos.place import Place
from benchmarks.chaos.world import Ledger

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("ledger", "first"), [("sqlite", 1_000), ("postgresql", 2_000)])
def test_every_history_keeps_every_promise(where: list[Place], ledger: Ledger, first: int) -> None:
    seeds = [(seed, ledger) for seed in range(first, first + 25)]
    totals = play(where, seeds, dagster_share=0.0)
    assert not totals.failed, "\n\n".join(map(tell, totals.failed))
    assert totals.enrolled > 0
    assert totals.void < totals.histories / 2, "this machine is too busy to prove anything"


def test_real_dagster_runs_keep_them_too(where: list[Place]) -> None:
    seeds: list[tuple[int, Ledger]] = [(3_000, "sqlite"), (3_001, "postgresql"), (3_002, "sqlite")]
    totals = play(where, seeds, dagster_share=0.5)
    assert not totals.failed, "\n\n".join(map(tell, totals.failed))
    assert totals.enrolled > 0
