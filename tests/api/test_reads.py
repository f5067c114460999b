"""Reads are retried; the list of leads is a stream in either documented form."""

import contextlib
import json
import socket
import threading
import traceback
from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest

from dialnexa_pipeline.api import ApiError, CallRefused, DialNexaClient
from tests.api.conftest import ScriptedServer, answer


def lead(number: int) -> dict[str, object]:
    return {
        "id": f"l{number}",
        "phone_number": "+919876543210",
        "dynamic_variables": {"enrolment_ref": f"r{number}"},
        "status": "pending",
        "createdAt": "2026-07-03T10:30:00.000Z",
    }


def test_a_list_in_one_body_is_read_whole(server: ScriptedServer) -> None:
    server.answers = [
        answer(200, json.dumps({"data": [lead(n) for n in range(500)], "count": 500}))
    ]
    with server.client() as client:
        leads = list(client.list_leads("w"))
    assert [found.id for found in leads] == [f"l{n}" for n in range(500)]
    assert leads[0].variables == {"enrolment_ref": "r0"}
    assert leads[0].created_at is not None


def paged(server: ScriptedServer, leads: int, *, limit: int, meta: str) -> list[dict[str, str]]:
    """Serve a list in pages of `limit` unless the query asks otherwise; returns the queries."""
    queries: list[dict[str, str]] = []

    def reply(connection: socket.socket) -> None:
        target = server.requests[-1].split(b" ")[1].decode()
        query = dict(parse_qsl(target.partition("?")[2]))
        queries.append(query)
        number, size = int(query.get("page", "1")), int(query.get("limit", limit))
        told = {
            "pages": {"page": number, "totalPages": -(-leads // size)},
            "totals": {"limit": size, "total": leads},
        }
        listed = [lead(n) for n in range(leads)][(number - 1) * size : number * size]
        connection.sendall(answer(200, json.dumps({"data": listed, "meta": told[meta]})))

    server.answers = [reply] * 50
    return queries


@pytest.mark.parametrize("meta", ["pages", "totals"])
def test_small_pages_are_given_up_for_pages_of_100(server: ScriptedServer, meta: str) -> None:
    queries = paged(server, 250, limit=20, meta=meta)
    with server.client() as client:
        found = [each.id for each in client.list_leads("w")]
    assert found == [f"l{n}" for n in range(250)]
    assert queries == [{}, *({"page": str(n), "limit": "100"} for n in (1, 2, 3))]


def test_large_pages_are_followed_as_they_come(server: ScriptedServer) -> None:
    queries = paged(server, 250, limit=120, meta="totals")
    with server.client() as client:
        assert [each.id for each in client.list_leads("w")] == [f"l{n}" for n in range(250)]
    assert queries == [{}, {"page": "2"}, {"page": "3"}]


def test_one_small_page_is_the_whole_list(server: ScriptedServer) -> None:
    queries = paged(server, 7, limit=20, meta="pages")
    with server.client() as client:
        assert len(list(client.list_leads("w"))) == 7
    assert queries == [{}]


@pytest.mark.parametrize(
    "body",
    [
        '{"data":[{"id":"l0"}',
        '{"data":[{"id":',
        '{"data":["l0"]}',
        '{"data":[{"phone_number":"+919876543210"}]}',
        '{"data":[{"id":"l0"}],"count":2}',
        '{"data":[{"id":"l0"}],"hasMore":true}',
        '{"data":[],"statusCode":500}',
        '{"data":[{"id":"l0"}],"meta":{"page":1,"totalPages":1,"total":21}}',
        "{}",
        "oops",
    ],
)
def test_a_list_that_breaks_off_proves_nothing(server: ScriptedServer, body: str) -> None:
    server.answers = [answer(200, body)]
    with server.client() as client, pytest.raises(ApiError, match="nothing is concluded"):
        list(client.list_leads("w"))


def test_a_get_is_asked_again_after_429_and_5xx_and_resets(server: ScriptedServer) -> None:
    server.answers = [
        answer(429, "{}", ["retry-after: 0"]),
        answer(503, "{}"),
        "reset",
        answer(200, json.dumps({"data": {"id": "w", "title": "T", "status": "active"}})),
    ]
    with server.client() as client:
        assert client.get_workflow("w").status == "active"


def test_leads_are_handed_out_before_the_list_has_ended(server: ScriptedServer) -> None:
    rest = threading.Event()

    def slow(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n"
            + f'{{"data":{json.dumps([lead(n) for n in range(100)])[:-1]},'.encode()
        )
        if rest.wait(5):
            connection.sendall(f"{json.dumps(lead(100))}]}}".encode())

    server.answers = [slow]
    with server.client() as client:
        leads = client.list_leads("w")
        assert next(leads).id == "l0"
        rest.set()
        assert [found.id for found in leads] == [f"l{n}" for n in range(1, 101)]


def test_a_broken_list_is_told_without_quoting_it(server: ScriptedServer) -> None:
    body = '{"data":[{"id":"l0","phone_number":"+919876543210" oops}]}'
    server.answers = [answer(200, body)]
    with server.client() as client, pytest.raises(ApiError) as caught:
        list(client.list_leads("w"))
    assert "987654" not in "".join(traceback.format_exception(caught.value))


def test_a_body_that_breaks_off_is_asked_for_again(server: ScriptedServer) -> None:
    server.answers = [
        b"HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{",
        answer(200, '{"data":{"id":"w"}}'),
    ]
    with server.client() as client:
        assert client.get_workflow("w").id == "w"


def test_a_get_does_not_wait_longer_than_it_may(server: ScriptedServer) -> None:
    server.answers = [answer(429, "{}", ["retry-after: 60"])]
    with server.client(max_wait=1) as client, pytest.raises(ApiError, match="slow down"):
        client.get_workflow("w")


@pytest.mark.parametrize("body", ["[]", "3", "null", '{"data":3}', '{"data":[3]}'])
def test_an_odd_body_is_a_clear_error_or_nothing(server: ScriptedServer, body: str) -> None:
    server.answers = [answer(200, body)] * 6
    with server.client() as client:
        for call in (
            lambda: client.get_workflow("w"),
            lambda: client.lead_history("w", "l"),
            lambda: client.variable_keys("w"),
            client.list_workflows,
            client.country_rules,
            client.enabled_network_groups,
        ):
            with contextlib.suppress(ApiError):
                call()


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"message":"ok"}',
        '[{"country_iso":"IN"}]',
        '[{"countryRule":{"country_iso":"IN"}}]',
        '[{"countryRule":{"country_iso":"India","calling_code":"91"}}]',
    ],
)
def test_destinations_that_cannot_be_read_are_not_taken_for_none(
    server: ScriptedServer, body: str
) -> None:
    server.answers = [answer(200, body)]
    with server.client() as client, pytest.raises(ApiError, match="not the list of countries"):
        client.enabled_network_groups()


def test_a_workspace_may_have_no_destination_enabled(server: ScriptedServer) -> None:
    server.answers = [answer(200, "[]")]
    with server.client() as client:
        assert client.enabled_network_groups() == ()


def test_a_missing_workflow_is_refused_at_once(server: ScriptedServer) -> None:
    server.answers = [answer(404, '{"message":"Workflow not found"}')]
    with server.client() as client, pytest.raises(CallRefused):
        client.get_workflow("w")
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "removed"), [(200, True), (404, False), (409, False)])
def test_a_lead_that_is_gone_needs_no_removing(
    server: ScriptedServer, status: int, removed: bool
) -> None:
    server.answers = [answer(status, "{}")]
    with server.client() as client:
        assert client.delete_lead("w", "l") is removed


CHANGES: list[Callable[[DialNexaClient], object]] = [
    lambda client: client.set_workflow_status("w", "pause"),
    lambda client: client.delete_lead("w", "l"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_may_be_made_twice_is_made_again_when_its_answer_is_lost(
    server: ScriptedServer, change: Callable[[DialNexaClient], object]
) -> None:
    server.answers = [
        "reset",
        answer(503, "{}"),
        answer(429, "{}", ["retry-after: 0"]),
        answer(200, '{"data":{"id":"w","status":"paused"}}'),
    ]
    with server.client() as client:
        assert change(client)
    assert len({request.split(b"\r\n")[0] for request in server.requests}) == 1
    assert len(server.requests) == 4


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_is_refused_is_made_once(
    server: ScriptedServer, change: Callable[[DialNexaClient], object]
) -> None:
    server.answers = [answer(403, '{"message":"not yours"}')]
    with server.client() as client, pytest.raises(CallRefused):
        change(client)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [{"data": {"keys": ["a"]}}, {"keys": ["a"]}])
def test_both_forms_of_variable_keys_are_read(
    server: ScriptedServer, body: dict[str, object]
) -> None:
    server.answers = [answer(200, json.dumps(body))]
    with server.client() as client:
        assert client.variable_keys("w") == ("a",)
