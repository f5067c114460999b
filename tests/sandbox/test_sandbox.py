"""The sandbox behaves as DialNexa documents, and breaks as it is told."""

import json
from collections.abc import Generator
from pathlib import Path

import httpx
import openpyxl
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import (
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from dialnexa_pipeline.sandbox import SandboxServer

VENDOR = Path(__file__).parents[3] / "shared" / "dialnexa" / "openapi.json"
LEADS = "/workflows/wf_home_loans/leads"
QUICK = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxServer]:
    with SandboxServer(state_path=tmp_path_factory.mktemp("sandbox") / "state.db") as server:
        yield server


@pytest.fixture
def http(sandbox: SandboxServer) -> Generator[httpx.Client]:
    sandbox.control("POST", "reset")
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers) as client:
        yield client


def upload(http: httpx.Client, *phones: str, name: str = "b.csv") -> httpx.Response:
    content = "\r\n".join(["phone_number,name", *(f"{phone},x" for phone in phones)])
    return http.post(LEADS, files={"file": (name, content.encode())})


def test_the_same_number_twice_is_two_leads(http: httpx.Client, sandbox: SandboxServer) -> None:
    response = upload(http, "+919876543210", "+919876543210")
    assert response.status_code == 201
    assert response.json()["count"] == 2
    assert sandbox.count_leads() == 2


def test_a_400_groups_rows_by_reason_and_enrols_nobody(
    http: httpx.Client, sandbox: SandboxServer
) -> None:
    response = upload(http, "+919876543210", "+4915123456789", "12")
    assert response.status_code == 400
    reasons = {group["reason"] for group in response.json()["errors"]}
    assert reasons == {"Unsupported destination country", "Invalid phone number"}
    assert sandbox.count_leads() == 0


def test_a_file_without_phone_number_is_refused(http: httpx.Client) -> None:
    assert upload(http, name="b.txt").status_code == 400
    assert http.post(LEADS, files={"file": ("b.csv", b"a\r\n1")}).status_code == 400


def test_an_xlsx_file_is_enrolled(http: httpx.Client, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["phone_number"])
    book.active.append(["+919876543210"])
    book.save(tmp_path / "b.xlsx")
    content = (tmp_path / "b.xlsx").read_bytes()
    assert http.post(LEADS, files={"file": ("b.xlsx", content)}).json()["count"] == 1


def test_state_survives_a_restart(tmp_path: Path) -> None:
    for expected in (1, 2):
        with SandboxServer(state_path=tmp_path / "s.db") as server:
            headers = {"authorization": f"Bearer {server.api_key}"}
            with httpx.Client(base_url=server.base_url, headers=headers) as client:
                upload(client, "+919876543210")
            assert server.count_leads() == expected


def test_a_wrong_key_is_401(sandbox: SandboxServer) -> None:
    response = httpx.get(f"{sandbox.base_url}/workflows", headers={"authorization": "Bearer x:y"})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("kind", "options", "enrolled"),
    [
        ("error_before", {"status": 500}, 0),
        ("error_after", {"status": 504}, 1),
        ("rate_limited", {"retry_after": "1"}, 0),
        ("reset_before", {}, 0),
        ("reset_after", {}, 1),
        ("truncate_body", {}, 1),
        ("unreadable_body", {}, 1),
        ("partial_accept", {"share": 0.0}, 0),
    ],
)
def test_a_fault_happens_once_on_the_right_side_of_enrolment(
    http: httpx.Client,
    sandbox: SandboxServer,
    kind: str,
    options: dict[str, object],
    enrolled: int,
) -> None:
    sandbox.order_fault(kind, method="POST", **options)
    try:
        response = upload(http, "+919876543210")
    except httpx.HTTPError:
        assert kind in {"reset_before", "reset_after", "truncate_body"}
    else:
        assert response.status_code == options.get("status", 429 if "rate" in kind else 201)
    assert sandbox.count_leads() == enrolled
    assert sandbox.control("GET", "faults") == []


def test_a_late_lead_is_enrolled_but_not_listed(http: httpx.Client, sandbox: SandboxServer) -> None:
    sandbox.order_fault("late_visibility", seconds=60, method="POST")
    upload(http, "+919876543210")
    assert http.get(LEADS).json()["count"] == 0
    assert sandbox.count_leads() == 1


@pytest.mark.servers
def test_it_keeps_its_own_openapi_description(sandbox: SandboxServer) -> None:
    origin = sandbox.base_url.removesuffix("/v1")
    check_against(schemathesis.openapi.from_url(f"{origin}/openapi.json"), origin, sandbox)


@pytest.mark.servers
def test_it_keeps_the_vendors_openapi_document(sandbox: SandboxServer) -> None:
    if not VENDOR.exists():
        pytest.skip("needs the vendor's openapi.json beside the checkout")
    document = json.loads(VENDOR.read_text(encoding="utf-8"))
    document["paths"] = {
        path: item for path, item in document["paths"].items() if not path.startswith("/v1/calls")
    }
    origin = sandbox.base_url.removesuffix("/v1")
    check_against(schemathesis.openapi.from_dict(document), origin, sandbox)


def check_against(schema: schemathesis.BaseSchema, origin: str, sandbox: SandboxServer) -> None:
    """Call every operation with made-up input; answers must be as described."""
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    operations = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        operations += 1

        @QUICK
        @given(case=operation.as_strategy())
        def run(case: schemathesis.Case) -> None:
            case.call_and_validate(base_url=origin, headers=headers, checks=checks)

        run()
    assert operations >= 10
