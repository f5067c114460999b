"""A lease tells a slow sender from a dead one, whatever the processes' own clocks say."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from dialnexa_pipeline.ledger import Ledger
from tests.ledger.steps import LEASE, NOW, outcomes, planned, refs_of

pytestmark = pytest.mark.servers

_SENDER = """
import sys, time
from datetime import timedelta
from dialnexa_pipeline.enrolment.lease import sending_heartbeat
from dialnexa_pipeline.ledger import LeaseLost, Ledger
time.time = lambda: 0.0
lease = timedelta(seconds=2)
with Ledger(sys.argv[1]) as ledger:
    ledger.batches.start_sending("b1", owner="child", run_id="r1", lease=lease)
    print("taken", flush=True)
    with sending_heartbeat(ledger, "child", lease):
        sys.stdin.readline()
    sys.stdin.readline()
    try:
        ledger.batches.settle_enrolled("b1", owner="child", lead_ids={})
        print("settled", flush=True)
    except LeaseLost:
        print("lost", flush=True)
"""


@contextmanager
def sender(url: str) -> Generator[subprocess.Popen[str]]:
    """A process that sends batch b1; a line stops its heart, another lets it settle."""
    command = [sys.executable, "-c", _SENDER, url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "taken\n"
        try:
            yield child
        finally:
            child.kill()


def test_a_living_sender_keeps_its_lease_and_one_that_stood_still_loses_it(
    ledger: Ledger, ledger_url: str
) -> None:
    plan = planned(ledger, 3)
    with sender(ledger_url) as child:
        assert child.stdin is not None
        deadline = time.monotonic() + 2.5
        while time.monotonic() < deadline:
            assert ledger.doubts.put_dead_senders_in_doubt() == []
            time.sleep(0.1)
        child.stdin.write("stand still\n")
        child.stdin.flush()
        dead: list[str] = []
        while not dead:
            dead = ledger.doubts.put_dead_senders_in_doubt()
            time.sleep(0.1)
        said, _ = child.communicate("go on\n", timeout=30)
    assert said == "lost\n"
    assert outcomes(ledger, plan) == {"in_doubt": 3}
    ledger.doubts.settle_found("b1", dict.fromkeys(refs_of(ledger), "l"))
    assert outcomes(ledger, plan) == {"enrolled": 3}


def test_a_sender_renews_what_it_is_sending_and_nothing_else(ledger: Ledger) -> None:
    batches = ledger.batches
    planned(ledger, 3)
    assert batches.renew_leases(owner="me", lease=LEASE) == 0
    batches.start_sending("b1", owner="me", run_id="r1", lease=NOW)
    assert batches.renew_leases(owner="somebody else", lease=LEASE) == 0
    assert not batches.is_leased("b1", owner="me", still=NOW)
    assert batches.renew_leases(owner="me", lease=LEASE) == 1
    assert batches.is_leased("b1", owner="me", still=LEASE / 2)
    batches.settle_enrolled("b1", owner="me", lead_ids={})
    assert batches.renew_leases(owner="me", lease=LEASE) == 0
