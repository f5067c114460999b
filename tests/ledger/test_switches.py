"""The stop switch: once it is written no batch is taken, and a resume of its scope lifts it."""

import threading

import pytest

from dialnexa_pipeline.ledger import Ledger, SendingStopped
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.switches import refuse_when_stopped
from tests.ledger.steps import LEASE, planned


def take(ledger: Ledger) -> bool:
    return ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)


@pytest.mark.parametrize("scope", [None, "a"])
def test_a_stop_keeps_batches_planned_until_it_is_lifted(ledger: Ledger, scope: str | None) -> None:
    planned(ledger)
    ledger.switches.stop(sync=scope, who="meena", why="wrong script")
    with pytest.raises(SendingStopped, match=r"stopped by meena at .*: wrong script"):
        take(ledger)
    assert ledger.batches.get("b1").state == "planned"
    assert ledger.switches.resume(sync=scope, who="meena", why="mended")
    assert take(ledger)


def test_a_stop_of_another_sync_stops_nobody_here(ledger: Ledger) -> None:
    planned(ledger)
    ledger.switches.stop(sync="b", who="meena", why="x")
    assert take(ledger)


def test_a_resume_of_all_leaves_the_stop_of_one_sync(ledger: Ledger) -> None:
    planned(ledger)
    ledger.switches.stop(sync="a", who="meena", why="one")
    ledger.switches.stop(sync=None, who="ravi", why="all")
    assert [(stop.sync, stop.who, stop.why) for stop in ledger.switches.standing()] == [
        ("a", "meena", "one"),
        (None, "ravi", "all"),
    ]
    assert ledger.switches.resume(sync=None, who="ravi", why="ok")
    with pytest.raises(SendingStopped, match="--sync a"):
        take(ledger)


def test_a_resume_without_a_stop_changes_nothing(ledger: Ledger) -> None:
    assert not ledger.switches.resume(sync=None, who="meena", why="x")
    assert ledger.switches.standing() == []


def test_a_stop_waits_for_a_sender_that_is_taking_a_batch(ledger_url: str) -> None:
    """Whoever was told that all is stopped sees no batch begin afterwards."""
    database = LedgerDatabase(ledger_url)
    with Ledger(ledger_url) as elsewhere:
        stopper = threading.Thread(
            target=lambda: elsewhere.switches.stop(sync=None, who="meena", why="x")
        )
        with database.transaction() as connection:
            refuse_when_stopped(database, connection, "a")
            stopper.start()
            stopper.join(0.3)
            assert stopper.is_alive()
        stopper.join(10)
        assert len(elsewhere.switches.standing()) == 1
    database.close()
