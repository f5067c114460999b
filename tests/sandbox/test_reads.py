"""Reads, status changes and withdrawals, behind a key."""

import time

import httpx
import pytest

from dialnexa_pipeline.sandbox import SandboxServer
from tests.sandbox.conftest import Upload

LEADS = "/workflows/wf_home_loans/leads"
INDIAN, BRITISH = "+919876543210", "+447400123456"


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer x:y"}, {"authorization": "x"}])
def test_without_the_key_it_is_401(sandbox: SandboxServer, header: dict[str, str]) -> None:
    response = httpx.get(f"{sandbox.base_url}/workflows", headers=header)
    assert response.status_code == 401
    assert response.json()["error"] == "Unauthorized"
    assert response.headers["x-ratelimit-limit"] == "1000000"


def test_every_answer_tells_the_rate_limit(http: httpx.Client) -> None:
    first, second = http.get("/workflows"), http.get("/workflows/wf_none")
    left = [int(each.headers["x-ratelimit-remaining"]) for each in (first, second)]
    assert left[1] == left[0] - 1
    assert 0 <= int(second.headers["x-ratelimit-reset"]) <= 60


def test_the_whole_list_counts_and_filters_by_id(http: httpx.Client, upload: Upload) -> None:
    ids = upload(INDIAN, BRITISH, INDIAN).json()["data"]
    whole = http.get(LEADS).json()
    assert [lead["phone_number"] for lead in whole["data"]] == [INDIAN, BRITISH, INDIAN]
    assert whole["count"] == 3
    chosen = http.get(LEADS, params={"leadIds": ",".join(ids[INDIAN])}).json()
    assert [lead["id"] for lead in chosen["data"]] == ids[INDIAN]


def test_many_leads_are_listed_whole(http: httpx.Client, upload: Upload) -> None:
    upload(*(f"+9198{number:08d}" for number in range(2_500)))
    whole = http.get(LEADS).json()
    assert whole["count"] == len({lead["id"] for lead in whole["data"]}) == 2_500


def test_a_withdrawn_lead_is_gone_and_its_history_with_it(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    lead = upload(INDIAN).json()["data"][INDIAN][0]
    history = http.get(f"{LEADS}/{lead}/history").json()["data"]
    assert history["lead"]["phone_number"] == INDIAN
    assert http.delete(f"{LEADS}/{lead}").status_code == 200
    assert http.delete(f"{LEADS}/{lead}").status_code == 404
    assert http.get(f"{LEADS}/{lead}/history").status_code == 404
    assert sandbox.count_leads() == 0


def test_variable_keys_are_those_of_the_leads(http: httpx.Client, upload: Upload) -> None:
    assert http.get(f"{LEADS}/variable-keys").json()["data"]["keys"] == []
    upload(INDIAN)
    assert http.get(f"{LEADS}/variable-keys").json()["data"]["keys"] == ["name"]


def test_a_status_changes_by_action_only(http: httpx.Client) -> None:
    path = "/workflows/wf_home_loans"
    for action, status in (("pause", "paused"), ("resume", "active"), ("deactivate", "paused")):
        response = http.patch(f"{path}/status", json={"action": action})
        assert response.json()["data"]["status"] == status
    assert http.patch(f"{path}/status", json={"action": "stop"}).status_code == 400
    assert http.patch(f"{path}/status", content=b"{").status_code == 400
    assert http.get(path).json()["data"]["status"] == "paused"


def test_workflows_come_in_pages(http: httpx.Client) -> None:
    answer = http.get("/workflows", params={"page": 2, "limit": 3, "sortBy": "title"}).json()
    assert [each["title"] for each in answer["data"]] == ["Reactivation"]
    assert answer["meta"]["totalPages"] == 2
    assert http.get("/workflows", params={"page": 0}).status_code == 400


def test_germany_is_not_among_the_enabled_countries(http: httpx.Client) -> None:
    groups = http.get("/phone-country-rules/enabled-network-groups").json()
    enabled = {group["countryRule"]["country_iso"] for group in groups}
    assert enabled == {"IN", "US", "GB", "AE", "SG"}


def statuses(http: httpx.Client) -> list[str]:
    return [lead["status"] for lead in http.get(LEADS).json()["data"]]


def test_leads_of_active_workflows_go_on_by_order(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    upload(*(f"+9198765432{number:02d}" for number in range(10)))
    upload(INDIAN, workflow="wf_insurance")
    http.patch("/workflows/wf_insurance/status", json={"action": "pause"})
    assert sandbox.advance() == 10
    assert set(statuses(http)) == {"in_progress"}
    assert sandbox.advance() == 10
    assert sandbox.advance() == 0
    ended = statuses(http)
    assert {each: ended.count(each) for each in ended} == {
        "completed": 7,
        "failed": 2,
        "dropped": 1,
    }
    assert [lead["status"] for lead in sandbox.leads("wf_insurance")] == ["pending"]


def test_leads_go_on_with_time_where_that_is_ordered(
    http: httpx.Client, upload: Upload, sandbox: SandboxServer
) -> None:
    upload(INDIAN, BRITISH)
    sandbox.behave(step_seconds=1)
    seen = [statuses(http)]
    deadline = time.monotonic() + 30
    while seen[-1] != ["completed", "completed"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        if (now := statuses(http)) != seen[-1]:
            seen.append(now)
    assert seen[0] == ["pending", "pending"]
    assert any("in_progress" in each for each in seen)
