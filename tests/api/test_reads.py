"""Reads are retried; the list of leads is a stream in either documented form."""

import contextlib
import json
import socket
import threading
import traceback

import pytest

from dialnexa_pipeline.api import ApiError, CallRefused
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


def test_a_list_in_pages_is_followed_to_its_end(server: ScriptedServer) -> None:
    server.answers = [
        answer(200, json.dumps({"data": [lead(n)], "meta": {"page": n + 1, "totalPages": 3}}))
        for n in range(3)
    ]
    with server.client() as client:
        assert [found.id for found in client.list_leads("w")] == ["l0", "l1", "l2"]


@pytest.mark.parametrize(
    "body",
    [
        '{"data":[{"id":"l0"}',
        '{"data":[{"id":',
        '{"data":["l0"]}',
        '{"data":[{"phone_number":"+919876543210"}]}',
        '{"data":[{"id":"l0"}],"count":2}',
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


def test_a_list_in_pages_that_only_counts_leads_is_followed_too(server: ScriptedServer) -> None:
    server.answers = [
        answer(200, json.dumps({"data": [lead(n)], "meta": {"limit": 1, "total": 2}}))
        for n in range(2)
    ]
    with server.client() as client:
        assert [found.id for found in client.list_leads("w")] == ["l0", "l1"]


def test_leads_are_handed_out_before_the_list_has_ended(server: ScriptedServer) -> None:
    rest = threading.Event()

    def slow(connection: socket.socket) -> None:
        connection.sendall(
            b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n"
            + f'{{"data":[{json.dumps(lead(0))},'.encode()
        )
        if rest.wait(5):
            connection.sendall(f"{json.dumps(lead(1))}]}}".encode())

    server.answers = [slow]
    with server.client() as client:
        leads = client.list_leads("w")
        assert next(leads).id == "l0"
        rest.set()
        assert [found.id for found in leads] == ["l1"]


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


@pytest.mark.parametrize("body", [{"data": {"keys": ["a"]}}, {"keys": ["a"]}])
def test_both_forms_of_variable_keys_are_read(
    server: ScriptedServer, body: dict[str, object]
) -> None:
    server.answers = [answer(200, json.dumps(body))]
    with server.client() as client:
        assert client.variable_keys("w") == ("a",)
