"""A ledger that goes away while an answer is on its way still learns of it."""

import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest

from dialnexa_pipeline.enrolment.settling import Settling
from dialnexa_pipeline.ledger import Ledger, LedgerUnavailable
from dialnexa_pipeline.store import Store
from tests.api.conftest import ScriptedServer, answer
from tests.postgres import fresh_database, restartable_postgres
from tests.sending.conftest import Desk, good

pytestmark = pytest.mark.servers


def test_a_postgresql_that_restarts_loses_no_answer(tmp_path: Path, server: ScriptedServer) -> None:
    with restartable_postgres() as postgres:
        url = fresh_database(postgres.url)
        with Ledger(url) as ledger:
            desk = Desk(url, tmp_path, ledger, Store(str(tmp_path / "store")))

            def answered_while_it_restarts(connection: socket.socket) -> None:
                postgres.stop()
                connection.sendall(answer(201, '{"leads_enrolled":2}'))
                time.sleep(0.5)
                postgres.start()

            server.answers = [answered_while_it_restarts, answer(201, '{"leads_enrolled":2}')]
            plan = desk.plan(good([1, 2]), good([3, 4]))
            report = desk.send(plan, server.client())
            assert (report.posts, report.problems, report.stopped) == (2, [], None)
            assert set(desk.fates(plan).values()) == {"enrolled"}


def test_a_transition_whose_commit_was_lost_on_its_way_back_is_found_done(desk: Desk) -> None:
    plan = desk.plan(good([1, 2]))
    (batch,) = desk.ledger.batches.sendable(plan.plan_id)
    desk.ledger.batches.start_sending(
        batch.batch_id, owner="me", run_id="r1", lease=timedelta(minutes=1)
    )
    attempts: list[int] = []

    def enrol() -> None:
        attempts.append(1)
        desk.ledger.batches.settle_enrolled(batch.batch_id, owner="me", lead_ids={})
        raise LedgerUnavailable("The connection broke after the commit.")

    settling = Settling(desk.ledger, "me", desk.notes.append)
    assert settling.settle(batch, "enrolled", enrol)
    assert len(attempts) == 2
    assert desk.notes == []
    assert set(desk.fates(plan).values()) == {"enrolled"}


def test_an_answer_that_comes_after_the_lease_ran_out_is_left_to_reconciling(
    desk: Desk, server: ScriptedServer
) -> None:
    def late(connection: socket.socket) -> None:
        overdue.append(desk.let_the_lease_run_out())
        connection.sendall(answer(201, '{"leads_enrolled":2}'))

    overdue: list[str] = []
    server.answers = [late, answer(201, '{"leads_enrolled":2}')]
    first, second = good([1, 2]), good([3, 4])
    plan = desk.plan(first, second)
    report = desk.send(plan, server.client())
    assert (report.problems, report.stopped) == ([], None)
    assert f"Batch {overdue[0]} is no longer leased" in desk.notes[0]
    assert desk.fates(plan) == {
        **dict.fromkeys(first, "in_doubt/no_answer"),
        **dict.fromkeys(second, "enrolled"),
    }
