"""An upload says what is known: accepted, refused, nothing happened, or in doubt."""

import json
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from dialnexa_pipeline.api import (
    Accepted,
    CallRefused,
    DialNexaClient,
    FileRefused,
    InDoubt,
    NothingHappened,
    RowsRefused,
)
from dialnexa_pipeline.errors import ConfigError
from tests.api.conftest import ScriptedServer, answer

PHONES = [f"+91987654321{n}" for n in range(3)]


def upload(server: ScriptedServer, **options: float) -> Accepted:
    with server.client(**options) as client:
        return client.upload_leads("wf 1", "b.csv", b"phone_number\r\n", phones=PHONES)


@pytest.mark.parametrize(
    ("body", "complete"),
    [
        ({"statusCode": 201, "data": {r: ["l"] for r in PHONES}, "count": 3}, True),
        ({"workflow_id": "w", "leads_enrolled": 3, "message": "3 leads enrolled"}, True),
        ({"statusCode": 201, "data": {PHONES[0]: ["l"]}, "count": 1}, False),
        ({"workflow_id": "w", "leads_enrolled": 2}, False),
        ({"workflow_id": "w", "leads_enrolled": 4}, False),
        ({"id": "wlead_1", "phone_number": PHONES[0], "status": "in_progress"}, False),
        ({"data": {r[1:]: ["l"] for r in PHONES}}, True),
        ({"data": dict.fromkeys(PHONES, "l")}, True),
        ({"data": {r: [] for r in PHONES}, "count": 3}, False),
        ({"leads_enrolled": 3, "skipped": 1}, False),
        ({"leads_enrolled": 3, "count": 2}, False),
    ],
)
def test_the_three_success_bodies_are_counted(
    server: ScriptedServer, body: dict[str, object], complete: bool
) -> None:
    server.answers = [answer(201, json.dumps(body))]
    assert upload(server).complete is complete
    assert server.requests[0].startswith(b"POST /v1/workflows/wf%201/leads ")
    assert b"Bearer id:secret" in server.requests[0]


@pytest.mark.parametrize(
    "reply",
    [
        answer(201, "<html>"),
        answer(200, "[]"),
        answer(500, "{}"),
        answer(504, "gateway"),
        answer(302, ""),
        answer(422, '{"message":"Invalid phone number"}'),
        answer(201, "[" * 100_000),
        answer(201, '{"total":3,"skipped":1}'),
        answer(201, '{"statusCode":500,"count":3}'),
        answer(201, '{"success":false,"count":3}'),
        b"HTTP/1.1 201 X\r\ncontent-length: 999\r\n\r\n{",
        b"HTTP/1.1 2",
        b"",
        "reset",
        "reset early",
    ],
)
def test_a_doubtful_answer_is_in_doubt_and_asked_once(
    server: ScriptedServer, reply: bytes | str
) -> None:
    server.answers = [reply]
    with pytest.raises(InDoubt):
        upload(server)
    assert len(server.requests) == 1


def test_an_answer_cut_at_any_byte_is_in_doubt_and_asked_once(server: ScriptedServer) -> None:
    full = answer(201, json.dumps({"leads_enrolled": 3}))
    server.answers = [full[:length] for length in range(len(full))]
    with server.client() as client:
        for sent in range(1, len(full) + 1):
            with pytest.raises(InDoubt):
                client.upload_leads("w", "b.csv", b"phone_number\r\n", phones=PHONES)
            assert len(server.requests) == sent


def test_a_file_that_the_server_never_takes_is_in_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        with (
            DialNexaClient(url, "id:secret", write_timeout=0.2, read_timeout=0.2) as client,
            pytest.raises(InDoubt) as caught,
        ):
            client.upload_leads("w", "b.csv", b"x" * 20_000_000, phones=PHONES)
    assert caught.value.cause == "WriteTimeout"


def test_a_read_timeout_is_in_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with DialNexaClient(url, "id:secret", read_timeout=0.2) as client, pytest.raises(InDoubt):
            client.upload_leads("w", "b.csv", b"x", phones=PHONES)


def test_a_connection_never_made_is_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (
        DialNexaClient(f"http://127.0.0.1:{port}/v1", "id:secret") as client,
        pytest.raises(NothingHappened) as caught,
    ):
        client.upload_leads("w", "b.csv", b"x", phones=PHONES)
    assert caught.value.reason == "connection"


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_refused_call_says_how_to_mend_it(server: ScriptedServer, status: int) -> None:
    server.answers = [answer(status, '{"message":"no"}')]
    with pytest.raises(CallRefused, match=f"HTTP {status}"):
        upload(server)


def test_a_file_level_400_and_413_are_not_about_rows(server: ScriptedServer) -> None:
    server.answers = [
        answer(400, '{"message":"File must include a phone_number column"}'),
        answer(413, "{}"),
    ]
    for _ in range(2):
        with pytest.raises(FileRefused):
            upload(server)


def test_after_429_the_file_is_sent_again(server: ScriptedServer) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=0), usegmt=True)
    done = json.dumps({"leads_enrolled": 3})
    server.answers = [
        answer(429, "{}", ["retry-after: 0"]),
        answer(429, "{}", [f"retry-after: {soon}"]),
        answer(201, done),
    ]
    assert upload(server).complete
    assert len(server.requests) == 3


def test_patience_with_429_has_an_end(server: ScriptedServer) -> None:
    server.answers = [answer(429, "{}", ["retry-after: 60"])]
    with pytest.raises(NothingHappened) as caught:
        upload(server, max_wait=5)
    assert caught.value.reason == "rate_limited"


@pytest.mark.parametrize("value", ["0", "nan", "-5", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_429_without_a_real_wait_is_no_busy_loop(server: ScriptedServer, value: str) -> None:
    server.answers = [answer(429, "{}", [f"retry-after: {value}"])] * 50
    with pytest.raises(NothingHappened):
        upload(server, max_wait=0.5)
    assert len(server.requests) <= 3


def test_no_sentence_holds_a_phone_number(server: ScriptedServer) -> None:
    body = {
        "message": "bad",
        "errors": [
            {
                "reason": "Invalid phone number +919876543210",
                "rows": [{"phone_number": PHONES[0]}],
            }
        ],
    }
    server.answers = [answer(400, json.dumps(body))]
    with pytest.raises(RowsRefused) as caught:
        upload(server)
    assert "987654321" not in f"{caught.value} {caught.value.errors[0].reason}"


@pytest.mark.parametrize("url", ["http://api.dialnexa.com/v1", "ftp://x", "api.dialnexa.com"])
def test_a_base_url_without_tls_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        DialNexaClient(url, "id:secret")


@pytest.mark.parametrize("key", ["", "abc", ":x", "x:", " a:b"])
def test_a_key_of_the_wrong_form_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError, match="key_id:secret"):
        DialNexaClient("https://api.dialnexa.com/v1", key)
