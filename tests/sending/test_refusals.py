"""A 400 ends in the right rows, within a budget, whatever it names them by."""

import json
from collections import Counter

import pytest

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.sandbox import SandboxServer
from tests.api.conftest import ScriptedServer, answer
from tests.sending.conftest import WORKFLOW, Desk, bad, good, mixed

COUNTRY = "rejected/unsupported_destination_country"
SETS_OF_BAD_ROWS = {
    "one": {7},
    "first": {0},
    "last": {19},
    "first and last": {0, 19},
    "adjacent": {8, 9, 10},
    "adjacent at both ends": {0, 1, 18, 19},
    "several": {2, 3, 7, 12, 17},
    "every second": set(range(0, 20, 2)),
    "all but one": set(range(20)) - {11},
    "all": set(range(20)),
}


@pytest.mark.servers
@pytest.mark.parametrize("first_position", [0, 1, 2])
def test_bare_positions_end_in_the_right_rows_however_they_are_counted(
    desk: Desk, sandbox: SandboxServer, first_position: int
) -> None:
    sandbox.behave(error_form="positions", first_position=first_position)
    for block, (name, refused) in enumerate(SETS_OF_BAD_ROWS.items()):
        phones = mixed(20, refused, block=block)
        plan = desk.plan(phones)
        report = desk.send(plan, DialNexaClient(sandbox.base_url, sandbox.api_key))
        fates = desk.fates(plan)
        assert {n for n, phone in enumerate(phones) if fates[phone] == COUNTRY} == refused, name
        assert set(fates.values()) <= {COUNTRY, "enrolled"}
        called = {lead["phone_number"] for lead in sandbox.leads(WORKFLOW)}
        assert called & set(phones) == {phones[n] for n in set(range(20)) - refused}
        assert report.posts <= 12, name
    assert len(called) == sandbox.count_leads()


@pytest.mark.servers
@pytest.mark.parametrize("first_position", [0, 1, 2])
def test_a_way_of_counting_that_proved_right_is_tried_first_in_later_batches(
    desk: Desk, sandbox: SandboxServer, client: DialNexaClient, first_position: int
) -> None:
    sandbox.behave(error_form="position_strings", first_position=first_position)
    batches = [
        [*good(range(100 * b, 100 * b + 9)), *bad([b]), *good([100 * b + 10])] for b in range(4)
    ]
    plan = desk.plan(*batches[:1])
    alone = desk.send(plan, client).posts
    plan = desk.plan(*batches[1:])
    with DialNexaClient(sandbox.base_url, sandbox.api_key) as again:
        together = desk.send(plan, again).posts
    assert together == alone + 2 * 2
    assert Counter(desk.fates(plan).values()) == {"enrolled": 30, COUNTRY: 3}


@pytest.mark.servers
def test_an_answer_in_doubt_proves_no_guess(
    desk: Desk, sandbox: SandboxServer, client: DialNexaClient
) -> None:
    sandbox.behave(error_form="positions", first_position=2)
    phones = mixed(10, {4})
    plan = desk.plan(phones)
    # The first answer is a 400, and the rest of the file meets the fault.
    sandbox.order_fault("partial_accept", share=0.5, method="POST")
    desk.send(plan, client)
    fates = Counter(desk.fates(plan).values())
    assert fates[COUNTRY] == 1
    assert fates["in_doubt/partial_answer"] > 0
    assert desk.fates(plan)[phones[4]] == COUNTRY


@pytest.mark.servers
@pytest.mark.parametrize("refused", [{3}, {0, 31}, {8, 9}])
def test_a_400_that_names_nothing_is_halved_until_the_bad_rows_stand_alone(
    desk: Desk, sandbox: SandboxServer, client: DialNexaClient, refused: set[int]
) -> None:
    sandbox.behave(error_form="unattributed")
    phones = mixed(32, refused)
    plan = desk.plan(phones)
    desk.send(plan, client)
    fates = desk.fates(plan)
    rejected = {n for n, phone in enumerate(phones) if fates[phone] == "rejected/unattributed"}
    assert rejected == refused
    assert sandbox.count_leads() == 32 - len(refused)


@pytest.mark.parametrize("max_posts", [1, 2, 5, 64])
def test_no_more_requests_are_made_than_the_budget_allows(
    desk: Desk, server: ScriptedServer, max_posts: int
) -> None:
    server.answers = [answer(400, '{"message":"Lead validation failed"}')] * 500
    plan = desk.plan(good(range(200)))
    report = desk.send(plan, server.client(), max_posts=max_posts)
    assert len(server.requests) == report.posts == max_posts
    assert set(desk.fates(plan).values()) <= {"rejected/unresolved", "rejected/unattributed"}
    assert len(desk.fates(plan)) == 200
    assert report.problems == []
    pending = desk.ledger.accounts.pending("loans", "rejected_rows")
    details = {
        detail
        for piece in desk.ledger.accounts.rejections_changed(pending.change_ids)
        for detail in piece["detail"].to_pylist()
    }
    assert details == {"Lead validation failed"}


def test_each_batch_has_its_own_budget(desk: Desk, server: ScriptedServer) -> None:
    server.answers = [answer(400, '{"message":"Lead validation failed"}')] * 500
    plan = desk.plan(good(range(50)), good(range(100, 150)))
    desk.send(plan, server.client(), max_posts=3)
    assert len(server.requests) == 6


def test_what_an_earlier_run_spent_counts(desk: Desk, server: ScriptedServer) -> None:
    refused = answer(400, '{"message":"Lead validation failed"}')
    server.answers = [refused, refused, answer(401, '{"message":"key revoked"}')] + [refused] * 99
    plan = desk.plan(good(range(50)))
    assert desk.send(plan, server.client(), max_posts=5).stopped is not None
    desk.send(plan, server.client(), max_posts=5)
    assert len(server.requests) == 5
    assert Counter(desk.fates(plan).values()) == {"planned": 12, "rejected/unresolved": 38}


@pytest.mark.parametrize("position", [-1, 0, 1, 2, 3, 40, 99])
def test_positions_that_mean_nothing_reject_nobody_else(
    desk: Desk, server: ScriptedServer, position: int
) -> None:
    """Every file with the bad row is refused at the same, meaningless position."""
    phones = mixed(8, {5})

    def reply(connection: object) -> None:
        request = server.requests[-1].decode()
        count = sum(phone in request for phone in phones)
        body = {"errors": [{"position": position, "reason": "Invalid phone number"}]}
        refused = phones[5] in request
        done = answer(201, json.dumps({"leads_enrolled": count}))
        connection.sendall(answer(400, json.dumps(body)) if refused else done)  # type: ignore[attr-defined]

    server.answers = [reply] * 99
    plan = desk.plan(phones)
    desk.send(plan, server.client())
    fates = desk.fates(plan)
    assert fates.pop(phones[5]).startswith("rejected/")
    assert set(fates.values()) == {"enrolled"}


def test_a_400_about_the_file_fails_the_batch_loudly_and_keeps_the_rows(
    desk: Desk, server: ScriptedServer
) -> None:
    server.answers = [answer(400, '{"message":"File must include a phone_number column, row 1"}')]
    plan = desk.plan(good(range(3)), good(range(5, 8)))
    report = desk.send(plan, server.client())
    assert len(server.requests) == 1
    assert report.stopped is None
    assert "this is a defect" in report.problems[0]
    assert set(desk.fates(plan).values()) == {"planned"}
    assert "failed" in {batch.state for batch in desk.ledger.batches.of_plan(plan.plan_id)}
