"""Runs that plan and send at the same moment: the database decides, not luck."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from dialnexa_pipeline.ledger import Ledger, tables
from tests.ledger.candidates import claim
from tests.ledger.steps import LEASE, on_disk, planned

_CLAIM = """
import sys
import pyarrow as pa
from dialnexa_pipeline.ledger import Candidates, Ledger
url, name = sys.argv[1:]
won = 0
with Ledger(url) as ledger:
    plan = ledger.plans.begin(sync=name, partition_key="", run_id=name)
    for start in range(0, 300, 20):
        places = range(start, start + 20)
        keys = pa.array([f"k{n}" for n in places])
        phones = pa.array([919800000000 + n for n in places])
        asked = Candidates(f"b-{name}", "wf", start, keys, keys, phones)
        won += 20 - len(ledger.plans.claim(plan, [asked], ref_column=None))
print(won)
"""


def together(count: int, act: Callable[[int], object]) -> list[object]:
    """Call `act(0..count-1)` in threads that start at the same moment."""
    barrier = Barrier(count)

    def one(index: int) -> object:
        barrier.wait()
        return act(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def live_claims(url: str) -> int:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = connection.scalar(sa.select(sa.func.count()).select_from(tables.live_claims))
    engine.dispose()
    return int(found or 0)


def test_threads_that_claim_the_same_numbers_share_them(ledger: Ledger, ledger_url: str) -> None:
    opened = [ledger.plans.begin(sync=f"s{n}", partition_key="", run_id="r") for n in range(4)]

    def claim_all(index: int) -> int:
        return len(claim(ledger, opened[index], range(200), f"b{index}"))

    assert sum(together(4, claim_all)) == 200  # type: ignore[arg-type]
    assert live_claims(ledger_url) == 200


@pytest.mark.servers
def test_processes_that_open_a_new_ledger_together_share_its_numbers(unmigrated_url: str) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CLAIM, unmigrated_url, f"s{n}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    answers = [child.communicate(timeout=60) for child in children]
    assert [error for _, error in answers] == [""] * 2
    assert sum(int(won) for won, _ in answers) == 300
    assert live_claims(unmigrated_url) == 300


def test_the_order_of_the_rows_does_not_make_two_planners_deadlock(
    ledger: Ledger, ledger_url: str
) -> None:
    opened = [ledger.plans.begin(sync=f"s{n}", partition_key="", run_id="r") for n in range(2)]

    def claim_all(index: int) -> int:
        numbers = range(5000)[:: 1 if index else -1]
        return len(claim(ledger, opened[index], numbers, f"b{index}", first_seq=0))

    assert sum(together(2, claim_all)) == 5000  # type: ignore[arg-type]


def test_plans_begun_together_leave_one_open(ledger: Ledger, ledger_url: str) -> None:
    for attempt in range(5):
        together(
            3, lambda n, at=attempt: ledger.plans.begin(sync=f"s{at}", partition_key="", run_id="r")
        )
    engine = sa.create_engine(ledger_url)
    with engine.connect() as connection:
        still_open = connection.execute(
            sa.select(tables.plans.c.sync, sa.func.count())
            .where(tables.plans.c.state == "open")
            .group_by(tables.plans.c.sync)
        ).all()
    engine.dispose()
    assert {count for _, count in still_open} == {1}


def test_of_many_senders_one_gets_the_batch(ledger: Ledger) -> None:
    planned(ledger)

    def take(index: int) -> bool:
        return ledger.batches.start_sending("b1", owner=f"o{index}", run_id="r", lease=LEASE)

    assert sorted(together(4, take)) == [False, False, False, True]  # type: ignore[type-var]


def test_a_batch_is_either_sent_or_released_never_both(ledger: Ledger) -> None:
    """A new plan and the old plan's sender race for the same batch."""
    for attempt in range(5):
        name = f"s{attempt}"
        old = ledger.plans.begin(sync=name, partition_key="", run_id="r1")
        numbers = range(attempt * 10, attempt * 10 + 10)
        claim(ledger, old, numbers, name)
        on_disk(ledger, name)

        def race(index: int, name: str = name) -> object:
            if index == 0:
                return ledger.batches.start_sending(name, owner="me", run_id="r", lease=LEASE)
            return ledger.plans.begin(sync=name, partition_key="", run_id="r2")

        taken, _new = together(2, race)
        state = ledger.batches.get(name).state
        held = ledger.holders.find(["wf"], [919800000000 + n for n in numbers])
        assert (state, len(held)) == (("sending", 10) if taken else ("released", 0))


def test_dead_senders_are_found_once(ledger: Ledger) -> None:
    planned(ledger)
    ledger.batches.start_sending("b1", owner="me", run_id="r", lease=-LEASE)
    found = together(3, lambda _n: ledger.doubts.put_dead_senders_in_doubt())
    assert sorted(found) == [[], [], ["b1"]]  # type: ignore[type-var]
