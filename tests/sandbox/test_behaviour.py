"""Where the contract leaves the form open, every form can be ordered."""

from typing import Any

import httpx
import pytest

from dialnexa_pipeline.sandbox import SandboxServer
from tests.sandbox.conftest import Upload

LEADS = "/workflows/wf_home_loans/leads"
INDIAN, GERMAN = "+919876543210", "+4915123456789"
COUNTRY = "Unsupported destination country"
ROW = {"position": 2, "phone_number": GERMAN, "failed_parsing_reason": None}


def test_the_count_form_and_status_200(upload: Upload, sandbox: SandboxServer) -> None:
    sandbox.behave(upload_form="count", upload_status=200)
    response = upload(INDIAN, INDIAN)
    assert response.status_code == 200
    assert response.json() == {
        "workflow_id": "wf_home_loans",
        "leads_enrolled": 2,
        "message": "2 leads enrolled in the workflow.",
    }


def test_the_one_lead_form(upload: Upload, sandbox: SandboxServer) -> None:
    sandbox.behave(upload_form="one")
    lead = upload(INDIAN).json()
    assert (lead["phone_number"], lead["metadata"]) == (INDIAN, {"name": "Asha"})
    assert upload(INDIAN, INDIAN).json()["leads_enrolled"] == 2


@pytest.mark.parametrize(
    ("form", "key", "expected"),
    [
        ("groups", "errors", [{"reason": COUNTRY, "rows": [ROW]}]),
        ("by_reason", "errors", {COUNTRY: [ROW]}),
        ("phones", "errors", {COUNTRY: [GERMAN]}),
        ("rows", "errors", [{"reason": COUNTRY, **ROW}]),
        ("strings", "message", [f"Row 2: {GERMAN}: {COUNTRY}"]),
        ("nested", "data", {"validation": {"groups": [{"reason": COUNTRY, "rows": [ROW]}]}}),
        ("positions", "errors", [{"reason": COUNTRY, "rows": [{"position": 2}]}]),
        ("position_strings", "message", [f"Row 2: {COUNTRY}"]),
        ("unattributed", "errors", None),
    ],
)
def test_row_errors_are_nested_as_ordered(
    upload: Upload, sandbox: SandboxServer, form: str, key: str, expected: Any
) -> None:
    sandbox.behave(error_form=form)
    response = upload(INDIAN, GERMAN)
    assert response.status_code == 400
    assert response.json().get(key) == expected


@pytest.mark.parametrize("first", [0, 1, 2])
def test_positions_count_from_where_they_are_told(
    upload: Upload, sandbox: SandboxServer, first: int
) -> None:
    sandbox.behave(first_position=first)
    assert upload(GERMAN).json()["errors"][0]["rows"][0]["position"] == first


def test_the_paged_list_has_meta_and_at_most_100_leads(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    sandbox.behave(list_form="paged")
    upload(*(f"+9198{number:08d}" for number in range(205)))
    pages = [http.get(LEADS, params={"page": page, "limit": 500}).json() for page in (1, 2, 3)]
    assert [len(page["data"]) for page in pages] == [100, 100, 5]
    assert pages[2]["meta"] == {"page": 3, "limit": 100, "total": 205, "totalPages": 3}
    assert len({lead["id"] for page in pages for lead in page["data"]}) == 205
    assert http.get(LEADS, params={"status": "completed"}).json()["meta"]["total"] == 0


def test_a_file_over_the_limit_is_413(upload: Upload, sandbox: SandboxServer) -> None:
    sandbox.behave(max_upload_bytes=100)
    assert upload(INDIAN).status_code == 413
    assert sandbox.count_leads() == 0


def test_an_enforced_rate_limit_answers_429_with_retry_after(
    http: httpx.Client, sandbox: SandboxServer
) -> None:
    sandbox.behave(rate_limit=1, enforce_rate_limit=True)
    answers = [http.get("/workflows") for _ in range(2)]
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    "settings",
    [
        {"upload_form": "xml"},
        {"colour": "red"},
        {"rate_limit": 0},
        {"first_position": True},
        {"step_seconds": 0},
    ],
)
def test_an_unknown_setting_is_400_and_names_the_choices(
    sandbox: SandboxServer, settings: dict[str, Any]
) -> None:
    response = httpx.post(f"{sandbox.control_url}/behaviour", json=settings)
    assert response.status_code == 400
    assert next(iter(settings)) in response.json()["message"]
    assert sandbox.control("GET", "behaviour")["upload_form"] == "map"


def test_a_reset_brings_back_the_beginning(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    sandbox.behave(list_form="paged")
    sandbox.order_fault("slow", seconds=60, path="/nowhere")
    sandbox.control("POST", "workflows", {"id": "wf_new", "status": "draft"})
    http.patch("/workflows/wf_insurance/status", json={"action": "pause"})
    upload(INDIAN)
    sandbox.control("POST", "reset")
    assert sandbox.count_leads() == 0
    assert sandbox.control("GET", "faults") == []
    assert sandbox.control("GET", "behaviour")["list_form"] == "whole"
    workflows = http.get("/workflows").json()["data"]
    assert {each["id"]: each["status"] for each in workflows} == dict.fromkeys(
        ["wf_home_loans", "wf_credit_cards", "wf_insurance", "wf_reactivation"], "active"
    )
