"""One pace per key: 429 and the rate-limit headers slow every client of the process down."""

import socket
import threading
import time
from email.utils import formatdate

import pytest

from dialnexa_pipeline.api import ApiError, NothingHappened
from dialnexa_pipeline.api.pace import Pace
from tests.api.conftest import ScriptedServer, answer

WORKFLOW = '{"data":{"id":"w"}}'
PHONES = ["+919876543210"]


def told(remaining: str, reset: str, limit: str = "150", **more: str) -> dict[str, str]:
    return {
        "x-ratelimit-limit": limit,
        "x-ratelimit-remaining": remaining,
        "x-ratelimit-reset": reset,
        **more,
    }


@pytest.mark.parametrize(
    "headers",
    [
        told("0", "30"),
        told("0", "30.0"),
        told("0", str(time.time() + 30), date=formatdate(time.time(), usegmt=True)),
        told("0", str(int(time.time() + 30) * 1000), date=formatdate(usegmt=True)),
        # The server's clock is an hour ahead of ours.
        told("0", str(time.time() + 3630), date=formatdate(time.time() + 3600, usegmt=True)),
        told("0;w=60", "30", limit="150, 150;w=60"),
    ],
)
def test_no_request_is_left_until_the_window_ends(headers: dict[str, str]) -> None:
    pace = Pace()
    pace.heed(headers)
    assert 15 < pace.seconds_until_turn() < 32


@pytest.mark.parametrize(
    "headers",
    [
        {},
        told("0", ""),
        told("", "30"),
        told("many", "soon"),
        told("0", "-5"),
        told("0", "0"),
        told("0", "1e300"),
        told("0", "999999"),
        told("0", "nan"),
        told("149", "30"),
        {"x-ratelimit-remaining": "9", "x-ratelimit-reset": "30"},
    ],
)
def test_headers_that_ask_for_nothing_slow_nothing_down(headers: dict[str, str]) -> None:
    pace = Pace()
    pace.heed(headers)
    assert pace.seconds_until_turn() == 0


def test_the_last_requests_of_a_window_are_spread_over_its_time() -> None:
    pace = Pace()
    pace.heed(told("9", "30", limit="50"))
    assert pace.seconds_until_turn() == 0
    assert 2.5 < pace.seconds_until_turn() <= 3


def test_requests_under_way_are_counted_before_their_answers_come() -> None:
    pace = Pace()
    pace.heed(told("100", "30", limit="100"))
    free = 0
    while pace.seconds_until_turn() == 0:
        free += 1
    assert 75 < free < 85


def test_a_429_holds_every_client_and_thread_of_the_key_back(server: ScriptedServer) -> None:
    moments: list[float] = []

    def timed(connection: socket.socket) -> None:
        moments.append(time.monotonic())
        connection.sendall(answer(200, WORKFLOW))

    server.answers = [answer(429, "{}", ["retry-after: 0.5"]), timed, timed, timed]
    with server.client() as first, server.client() as second:
        with pytest.raises(NothingHappened), server.client(max_wait=0.1) as hasty:
            hasty.upload_leads("w", "b.csv", b"phone_number\r\n", phones=PHONES)
        began = time.monotonic()
        threads = [
            threading.Thread(target=client.get_workflow, args=("w",))
            for client in (first, second, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(moments) == 3
    assert min(moments) - began > 0.4


def test_another_key_has_its_own_pace(server: ScriptedServer) -> None:
    server.answers = [answer(429, "{}", ["retry-after: 60"]), answer(200, WORKFLOW)]
    with server.client(max_wait=1) as client, pytest.raises(ApiError):
        client.get_workflow("w")
    with server.client(max_wait=1, api_key="id:other") as other:
        assert other.get_workflow("w").id == "w"


def test_a_client_waits_before_the_wall_and_never_runs_into_it(server: ScriptedServer) -> None:
    window = ["x-ratelimit-limit: 10", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 1"]
    moments: list[float] = []

    def timed(connection: socket.socket) -> None:
        moments.append(time.monotonic())
        connection.sendall(answer(200, WORKFLOW, window))

    server.answers = [timed, timed]
    with server.client() as client:
        client.get_workflow("w")
        client.get_workflow("w")
    assert moments[1] - moments[0] > 0.9


def test_a_wall_that_is_too_far_away_is_not_waited_for(server: ScriptedServer) -> None:
    window = ["x-ratelimit-remaining: 0", "x-ratelimit-reset: 50"]
    server.answers = [answer(200, WORKFLOW, window)]
    with server.client(max_wait=5) as client:
        client.get_workflow("w")
        with pytest.raises(NothingHappened, match="DIALNEXA_MAX_WAIT_SECONDS") as caught:
            client.upload_leads("w", "b.csv", b"phone_number\r\n", phones=PHONES)
    assert caught.value.reason == "rate_limited"
    assert len(server.requests) == 1
