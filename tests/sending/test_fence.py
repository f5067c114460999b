"""A sender that was stopped in mid-run sends nothing of a batch that is no longer its own."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.api.conftest import ScriptedServer, answer
from tests.sending.conftest import Desk, good

pytestmark = pytest.mark.servers

SENDER = """
import sys
from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.enrolment import send_plan
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.store import Store
ledger_url, store_url, base_url = sys.argv[1:]
with Ledger(ledger_url) as ledger, DialNexaClient(base_url, "id:secret") as client:
    plan = ledger.plans.current(sync="loans", partition_key="")
    report = send_plan(
        plan, ledger=ledger, store=Store(store_url), client=client, run_id="r1", note=print
    )
print(report.problems, report.stopped, report.paused)
"""


def test_a_sender_that_slept_through_its_lease_does_not_repeat_the_request(
    desk: Desk, server: ScriptedServer
) -> None:
    told_to_wait = threading.Event()

    def rate_limited(connection: socket.socket) -> None:
        connection.sendall(answer(429, "{}", ["retry-after: 1"]))
        told_to_wait.set()

    server.answers = [rate_limited, answer(201, '{"leads_enrolled":2}')]
    first, second = good([1, 2]), good([3, 4])
    plan = desk.plan(first, second)
    sender = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SENDER,
            desk.ledger_url,
            str(desk.folder / "store"),
            f"http://127.0.0.1:{server.port}/v1",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert told_to_wait.wait(60)
        os.kill(sender.pid, signal.SIGSTOP)
        overdue = desk.let_the_lease_run_out()
        os.kill(sender.pid, signal.SIGCONT)
        said, _ = sender.communicate(timeout=60)
    finally:
        sender.kill()
        sender.wait()
    assert f"Batch {overdue}: this sender was away" in said
    assert said.endswith("[] None None\n")
    uploads = [request.decode() for request in server.requests]
    assert len(uploads) == 2
    assert first[0] in uploads[0]
    assert second[0] in uploads[1]
    assert desk.fates(plan) == {
        **dict.fromkeys(first, "in_doubt/no_answer"),
        **dict.fromkeys(second, "enrolled"),
    }
