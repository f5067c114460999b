"""Faults happen as often as ordered, on the ordered side of enrolment."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from dialnexa_pipeline.sandbox import SandboxServer
from tests.sandbox.conftest import Upload

LEADS = "/workflows/wf_home_loans/leads"
INDIAN = "+919876543210"


@pytest.mark.parametrize(
    ("kind", "options", "status", "enrolled"),
    [
        ("error_before", {"status": 500}, 500, 0),
        ("error_before", {"status": 402}, 402, 0),
        ("error_after", {"status": 502}, 502, 1),
        ("error_after", {"status": 504}, 504, 1),
        ("rate_limited", {"retry_after": 1}, 429, 0),
        ("unreadable_body", {}, 201, 1),
        ("partial_accept", {"share": 0.0}, 201, 0),
    ],
)
def test_an_answered_fault(  # noqa: PLR0917
    upload: Upload,
    sandbox: SandboxServer,
    kind: str,
    options: dict[str, Any],
    status: int,
    enrolled: int,
) -> None:
    sandbox.order_fault(kind, method="POST", **options)
    response = upload(INDIAN)
    assert response.status_code == status
    assert "x-ratelimit-remaining" in response.headers
    assert sandbox.count_leads() == enrolled
    assert sandbox.control("GET", "faults") == []
    assert upload(INDIAN).status_code == 201


@pytest.mark.parametrize(
    ("kind", "broken", "enrolled"),
    [
        ("reset_before", httpx.ReadError, 0),
        ("reset_after", httpx.ReadError, 1),
        ("truncate_body", (httpx.ReadError, httpx.RemoteProtocolError), 1),
    ],
)
def test_a_broken_connection(
    upload: Upload,
    sandbox: SandboxServer,
    kind: str,
    broken: type[Exception] | tuple[type[Exception], ...],
    enrolled: int,
) -> None:
    sandbox.order_fault(kind, method="POST")
    with pytest.raises(broken):
        upload(INDIAN)
    assert sandbox.count_leads() == enrolled


def test_a_list_can_be_truncated_too(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    upload(INDIAN)
    sandbox.order_fault("truncate_body", method="GET", path=LEADS)
    with pytest.raises(httpx.TransportError):
        http.get(LEADS)
    assert http.get(LEADS).json()["count"] == 1


def test_retry_after_is_seconds_a_date_or_absent(
    http: httpx.Client, sandbox: SandboxServer
) -> None:
    sandbox.order_fault("rate_limited", retry_after=7)
    sandbox.order_fault("rate_limited", retry_after="date", seconds=90)
    sandbox.order_fault("rate_limited", retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    sandbox.order_fault("rate_limited")
    headers = [http.get("/workflows").headers.get("retry-after") for _ in range(4)]
    assert headers[0] == "7"
    ahead = parsedate_to_datetime(headers[1] or "") - datetime.now(UTC)
    assert 80 < ahead.total_seconds() <= 90
    assert headers[2:] == ["Wed, 21 Oct 2026 07:28:00 GMT", None]


def test_a_slow_answer_comes_after_the_enrolment(upload: Upload, sandbox: SandboxServer) -> None:
    sandbox.order_fault("slow", seconds=0.4)
    start = time.perf_counter()
    assert upload(INDIAN).status_code == 201
    assert time.perf_counter() - start >= 0.4


def test_a_client_that_gave_up_waiting_is_enrolled_all_the_same(
    http: httpx.Client, sandbox: SandboxServer
) -> None:
    sandbox.order_fault("slow", seconds=2)
    files = {"file": ("b.csv", f"phone_number\r\n{INDIAN}".encode())}
    with pytest.raises(httpx.ReadTimeout):
        http.post(LEADS, files=files, timeout=0.5)
    assert sandbox.count_leads() == 1


def test_a_partial_accept_says_so(upload: Upload, sandbox: SandboxServer) -> None:
    sandbox.order_fault("partial_accept", share=0.5)
    answer = upload(*(f"+9198{number:08d}" for number in range(10))).json()
    assert answer["count"] == len(answer["data"]) == sandbox.count_leads() == 5
    assert answer["message"] == "5 leads queued successfully. 5 rows skipped"


def test_a_late_lead_is_enrolled_but_not_listed_until_its_time(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    sandbox.order_fault("late_visibility", seconds=0.8)
    upload(INDIAN)
    assert sandbox.count_leads() == len(sandbox.leads("wf_home_loans")) == 1
    assert http.get(LEADS).json()["count"] == 0
    time.sleep(0.9)
    assert http.get(LEADS).json()["count"] == 1


def test_late_visibility_joins_a_lost_answer(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    sandbox.order_fault("late_visibility", seconds=60)
    sandbox.order_fault("error_after", status=504)
    assert upload(INDIAN).status_code == 504
    assert sandbox.count_leads() == 1
    assert http.get(LEADS).json()["count"] == 0


def test_a_fault_meets_only_the_requests_it_names_and_so_often(
    http: httpx.Client, sandbox: SandboxServer
) -> None:
    sandbox.order_fault("error_before", times=2, method="GET", path="/workflows/wf_insurance")
    assert http.get("/workflows/wf_home_loans").status_code == 200
    codes = [http.get("/workflows/wf_insurance").status_code for _ in range(3)]
    assert codes == [503, 503, 200]


def test_ordered_faults_can_be_taken_back(http: httpx.Client, sandbox: SandboxServer) -> None:
    sandbox.order_fault("error_before", times=5)
    assert sandbox.control("DELETE", "faults") == []
    assert http.get("/workflows").status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "fire"},
        {"kind": "slow", "second": 1},
        {"kind": "slow", "seconds": "1"},
        {"kind": "error_after", "status": 200},
        {"kind": "partial_accept", "share": 1.5},
        {"kind": "reset_after", "times": 0},
        {"kind": "rate_limited", "retry_after": 1.5},
    ],
)
def test_a_fault_that_cannot_be_is_400(sandbox: SandboxServer, fault: dict[str, Any]) -> None:
    response = httpx.post(f"{sandbox.control_url}/faults", json=fault)
    assert response.status_code == 400
    assert sandbox.control("GET", "faults") == []
