"""A sender keeps DialNexa's pace, and pauses when that takes longer than it may."""

from collections import Counter

import pytest

from tests.api.conftest import ScriptedServer, answer
from tests.sending.conftest import Desk, good

DONE = answer(201, '{"leads_enrolled":2}')


def test_a_run_that_may_wait_no_longer_pauses_with_its_batches_planned(
    desk: Desk, server: ScriptedServer
) -> None:
    server.answers = [DONE, answer(429, "{}", ["retry-after: 60"])]
    plan = desk.plan(good([1, 2]), good([3, 4]), good([5, 6]))
    report = desk.send(plan, server.client(max_wait=1))
    assert len(server.requests) == 2
    assert (report.problems, report.stopped) == ([], None)
    assert report.paused is not None
    assert "DIALNEXA_MAX_WAIT_SECONDS" in report.paused
    assert Counter(desk.fates(plan).values()) == {"enrolled": 2, "planned": 4}
    states = Counter(batch.state for batch in desk.ledger.batches.of_plan(plan.plan_id))
    assert states == {"enrolled": 1, "planned": 2}


def test_a_paused_plan_is_sent_on_by_a_later_run(desk: Desk, server: ScriptedServer) -> None:
    server.answers = [answer(429, "{}", ["retry-after: 1"]), DONE, DONE]
    plan = desk.plan(good([1, 2]), good([3, 4]))
    assert desk.send(plan, server.client(max_wait=0.1)).paused is not None
    assert desk.send(plan, server.client()).paused is None
    assert set(desk.fates(plan).values()) == {"enrolled"}


def test_waiting_is_counted_over_all_batches_of_a_run(desk: Desk, server: ScriptedServer) -> None:
    slow = answer(429, "{}", ["retry-after: 0.4"])
    server.answers = [slow, DONE] * 9
    plan = desk.plan(*(good([2 * n, 2 * n + 1]) for n in range(9)))
    report = desk.send(plan, server.client(max_wait=1))
    assert report.paused is not None
    assert Counter(desk.fates(plan).values()) == {"enrolled": 4, "planned": 14}


def test_a_server_that_cannot_be_reached_is_a_failure_and_no_pause(
    desk: Desk, server: ScriptedServer
) -> None:
    plan = desk.plan(good([1, 2]))
    server.port = 1
    report = desk.send(plan, server.client())
    assert report.paused is None
    assert "cannot be reached" in (report.stopped or "")
    assert set(desk.fates(plan).values()) == {"planned"}


@pytest.mark.parametrize("status", [401, 402])
def test_an_account_that_is_refused_is_a_failure_and_no_pause(
    desk: Desk, server: ScriptedServer, status: int
) -> None:
    server.answers = [answer(status, '{"message":"no"}')]
    report = desk.send(desk.plan(good([1, 2]), good([3, 4])), server.client())
    assert len(server.requests) == 1
    assert (report.paused, report.stopped) == (None, report.problems[0])
