"""Reconciling believes a listing only as far as it proves something."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dialnexa_pipeline.enrolment import SettledBatch, reconcile
from dialnexa_pipeline.ledger import Ledger, Plan, enrolment_ref
from tests.enrolment.conftest import Lead, ListServer
from tests.ledger.candidates import candidates, claim
from tests.ledger.steps import HOUR, LEASE, NOW, on_disk, outcomes

HOURS_AGO = -5 * HOUR
# The newest plan of each sync that is in doubt.
PLANS: dict[str, Plan] = {}


def in_doubt(
    ledger: Ledger,
    rows: int = 3,
    *,
    sync: str = "a",
    workflow: str = "wf",
    ref_column: str | None = "ref",
    hold_absent: bool = False,
) -> Plan:
    """A plan whose only batch, named like the sync, was sent and never answered."""
    plan = ledger.plans.begin(sync=sync, partition_key="", run_id="r")
    PLANS[sync] = plan
    claim(
        ledger,
        plan,
        range(rows),
        sync,
        workflow=workflow,
        ref_column=ref_column,
        hold_absent=hold_absent,
    )
    on_disk(ledger, sync)
    ledger.plans.make_ready(plan, source_rows=rows, phone_metadata="9")
    ledger.batches.start_sending(sync, owner="me", run_id="r", lease=LEASE)
    ledger.batches.put_in_doubt(sync, owner="me", reason="in_doubt/no_answer", detail="504")
    return plan


def ref(sync: str, n: int) -> str:
    """The correlation value of the n-th number of the sync's newest plan."""
    return enrolment_ref(PLANS[sync].plan_id if sync in PLANS else sync, n)


def as_text(ref: str) -> str:
    return json.dumps({"ref": ref})


def listed(n: int, *, created: timedelta | None = NOW, **more: Any) -> Lead:
    """A lead of the n-th number, as the vendor lists it."""
    moment = None if created is None else (datetime.now(UTC) + created).isoformat()
    return {"id": f"l{n}", "phone_number": f"+9198{n:08d}", "createdAt": moment, **more}


def settle(
    ledger: Ledger, server: ListServer, *, times: int = 1, **options: Any
) -> list[SettledBatch]:
    """Reconcile with no time to wait; what the last pass said."""
    said: list[SettledBatch] = []
    with server.client() as client:
        for _ in range(times):
            said = reconcile(ledger, client, **{"settle": NOW, "confirm": NOW, **options})
    return said


@pytest.mark.parametrize("page_rows", [None, 2])
def test_both_forms_of_the_list_prove_presence_and_absence(
    ledger: Ledger, server: ListServer, page_rows: int | None
) -> None:
    plan = in_doubt(ledger)
    server.page_rows = page_rows
    server.leads["wf"] = [
        *(listed(n, dynamic_variables={"ref": "other", "name": "x"}) for n in range(20, 25)),
        listed(1, dynamic_variables={"ref": ref("a", 1), "name": "x"}),
    ]
    (first,) = settle(ledger, server)
    assert (first.enrolled, first.absent, first.waiting) == (1, 0, 2)
    (second,) = settle(ledger, server)
    assert (second.enrolled, second.absent, second.waiting) == (0, 2, 0)
    assert outcomes(ledger, plan) == {"enrolled": 1, "planned": 2}


@pytest.mark.parametrize(
    ("lead", "is_ours"),
    [
        (lambda: listed(0, dynamic_variables={"ref": ref("a", 0), "name": "x"}), True),
        (
            lambda: listed(
                0, created=HOURS_AGO, dynamic_variables=json.dumps({"ref": ref("a", 0)})
            ),
            True,
        ),
        (lambda: {**listed(0), "phone_number": "0", "metadata": {"ref": f" {ref('a', 0)} "}}, True),
        (lambda: listed(0, dynamic_variables={"ref": ref("b", 0), "name": "x"}), False),
        (lambda: listed(0, dynamic_variables={"name": "x"}), False),
        (lambda: listed(0), True),
        (lambda: listed(0, dynamic_variables={}), True),
        (lambda: listed(0, dynamic_variables={"agent_id": "a1", "call_id": "c1"}), True),
        (lambda: listed(0, dynamic_variables={"ref": "", "name": ""}), True),
        (lambda: listed(0, created=None), True),
        (lambda: listed(0, created=HOURS_AGO), False),
        (lambda: listed(9), False),
    ],
)
def test_with_the_correlation_column_only_its_echo_or_a_lead_that_echoes_nothing_is_ours(
    ledger: Ledger, server: ListServer, lead: Callable[[], Lead], is_ours: bool
) -> None:
    in_doubt(ledger, 1)
    server.leads["wf"] = [lead()]
    (said,) = settle(ledger, server)
    assert said.enrolled == int(is_ours)


@pytest.mark.parametrize(
    ("lead", "is_ours"),
    [
        (lambda: listed(0, dynamic_variables={"name": "x"}), True),
        (lambda: listed(0, created=-timedelta(minutes=4)), True),
        (lambda: listed(0, created=None), True),
        (lambda: {**listed(0), "phone_number": "91 98-0000 0000"}, True),
        (lambda: listed(0, created=-timedelta(minutes=6)), False),
        (lambda: listed(1), False),
    ],
)
def test_without_it_number_and_time_decide(
    ledger: Ledger, server: ListServer, lead: Callable[[], Lead], is_ours: bool
) -> None:
    in_doubt(ledger, 1, ref_column=None)
    server.leads["wf"] = [lead()]
    (said,) = settle(ledger, server)
    assert said.enrolled == int(is_ours)


@pytest.mark.parametrize("order", [1, -1])
def test_an_echo_names_the_lead_better_than_a_number(
    ledger: Ledger, server: ListServer, order: int
) -> None:
    in_doubt(ledger, 1)
    echo = {**listed(0, dynamic_variables={"ref": ref("a", 0)}), "id": "echo"}
    server.leads["wf"] = [listed(0), echo][::order]
    settle(ledger, server)
    pending = ledger.accounts.pending("a", "enrolments")
    (piece,) = ledger.accounts.enrolments_of(pending.batch_ids)
    assert piece["lead_id"].to_pylist() == ["echo"]


def test_a_reconciler_inside_the_listing_of_another_is_no_second_listing(
    ledger: Ledger, server: ListServer
) -> None:
    plan = in_doubt(ledger)
    server.during = lambda: settle(ledger, server) and None
    (outer,) = settle(ledger, server)
    assert server.listings == ["wf", "wf"]
    assert (outer.absent, outer.waiting) == (0, 3)
    assert outcomes(ledger, plan) == {"in_doubt": 3}
    (third,) = settle(ledger, server)
    assert third.absent == 3


def test_what_another_reconciler_finds_meanwhile_is_not_given_up(
    ledger: Ledger, server: ListServer
) -> None:
    """The outer listing is old: it lacks a lead that the inner one shows."""
    plan = in_doubt(ledger)
    settle(ledger, server)

    def appear() -> None:
        server.leads["wf"].append(listed(0, dynamic_variables={"ref": ref("a", 0)}))
        settle(ledger, server)

    server.during = appear
    (outer,) = settle(ledger, server)
    assert (outer.absent, outer.waiting) == (0, 2)
    assert outcomes(ledger, plan) == {"enrolled": 1, "in_doubt": 2}


def test_several_batches_of_a_workflow_share_one_listing(
    ledger: Ledger, server: ListServer
) -> None:
    in_doubt(ledger, 2, sync="a")
    other = ledger.plans.begin(sync="b", partition_key="", run_id="r")
    ledger.plans.claim(other, [candidates([7], "b")], ref_column=None)
    on_disk(ledger, "b")
    ledger.plans.make_ready(other, source_rows=1, phone_metadata="9")
    ledger.batches.start_sending("b", owner="me", run_id="r", lease=-LEASE)
    server.leads["wf"] = [listed(1, dynamic_variables={"ref": ref("a", 1)}), listed(7)]
    said = settle(ledger, server)
    assert {(batch.sync, batch.enrolled, batch.waiting) for batch in said} == {
        ("a", 1, 1),
        ("b", 1, 0),
    }
    assert server.listings == ["wf"]


def test_a_workflow_that_cannot_be_listed_does_not_stop_the_others(
    ledger: Ledger, server: ListServer
) -> None:
    gone = in_doubt(ledger, sync="a", workflow="gone")
    in_doubt(ledger, sync="b", workflow="wf")
    server.leads["wf"] = [listed(n, dynamic_variables={"ref": ref("b", n)}) for n in range(3)]
    first, second = settle(ledger, server)
    assert (first.waiting, first.problem is not None) == (3, True)
    assert (second.enrolled, second.problem) == (3, None)
    assert outcomes(ledger, gone) == {"in_doubt": 3}


def test_held_rows_wait_until_a_person_lets_them_go(ledger: Ledger, server: ListServer) -> None:
    plan = in_doubt(ledger, hold_absent=True)
    (said,) = settle(ledger, server, release=True)
    assert (said.waiting, said.held, said.absent) == (3, 0, 0), "not proved yet"
    (said,) = settle(ledger, server)
    assert (said.waiting, said.held, said.absent) == (0, 3, 0)
    listings = len(server.listings)
    (said,) = settle(ledger, server, times=3)
    assert said.held == 3
    assert len(server.listings) == listings, "nothing can change by listing again"
    assert outcomes(ledger, plan) == {"in_doubt": 3}
    (said,) = settle(ledger, server, release=True)
    assert (said.held, said.absent) == (0, 3)
    assert outcomes(ledger, plan) == {"planned": 3}


def test_a_held_row_that_is_listed_after_all_is_not_let_go(
    ledger: Ledger, server: ListServer
) -> None:
    plan = in_doubt(ledger, hold_absent=True)
    settle(ledger, server, times=2)
    server.leads["wf"] = [listed(0, dynamic_variables={"ref": ref("a", 0)})]
    (said,) = settle(ledger, server, release=True)
    assert (said.enrolled, said.absent, said.waiting) == (1, 0, 2)
    assert outcomes(ledger, plan) == {"enrolled": 1, "in_doubt": 2}
    (said,) = settle(ledger, server, release=True)
    assert said.absent == 2


@pytest.mark.parametrize("name", ["enrolmentRef", "Ref", "anything"])
def test_a_lead_that_echoes_the_value_under_another_name_is_ours(
    ledger: Ledger, server: ListServer, name: str
) -> None:
    plan = in_doubt(ledger, 1)
    server.leads["wf"] = [listed(0, dynamic_variables={name: ref("a", 0)})]
    with server.client() as client:
        reconcile(ledger, client, settle=NOW, confirm=NOW)
    assert outcomes(ledger, plan) == {"enrolled": 1}
