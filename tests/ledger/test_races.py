"""Steps of two processes between each other on PostgreSQL: SQLite lets one transaction write."""

from collections.abc import Callable, Generator
from threading import Thread
from time import sleep
from typing import Any

import pytest
import sqlalchemy as sa

from dialnexa_pipeline.ledger import Ledger, PlanSuperseded, abandoned, erasures, withdrawals
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.packs import unpack
from dialnexa_pipeline.phones import PhoneHasher, SpelledPhones
from tests.ledger.candidates import claim
from tests.ledger.steps import HOUR, planned, sending

PHONE = 919800000003
# What it waits for, another transaction, would have ended long before.
WHILE_IT_WAITS = 0.3


@pytest.fixture
def ledger(postgres_ledger_url: str) -> Generator[Ledger]:
    with Ledger(postgres_ledger_url) as opened:
        yield opened


@pytest.fixture
def other(postgres_ledger_url: str, ledger: Ledger) -> Generator[Ledger]:
    with Ledger(postgres_ledger_url) as opened:
        yield opened


def beside(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, act: Callable[[], object]
) -> Thread:
    """Begin `act` in a thread as soon as a function of a module has done its work."""
    thread = Thread(target=act)
    original = getattr(module, name)

    def done_then_begun(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        thread.start()
        sleep(WHILE_IT_WAITS)
        return result

    monkeypatch.setattr(module, name, done_then_begun)
    return thread


def test_a_number_withdrawn_while_its_claim_expires_stays_held(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending(ledger)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    (standing,) = ledger.withdrawals.of_phones([PHONE])
    expiry = beside(
        monkeypatch,
        withdrawals,
        "take_number",
        lambda: other.holders.expire({"wf": [PHONE]}, older_than=-HOUR),
    )
    ledger.withdrawals.withdraw_enrolled(standing.enrolment_ref, detail="asked")
    expiry.join(30)
    assert ledger.holders.find(["wf"], [PHONE])["wf", PHONE].state == "withdrawn"


def test_a_released_batch_holds_nothing_whoever_unpacked_it_meanwhile(
    ledger: Ledger, postgres_ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(ledger)
    number = ledger.batches.get("b1").batch_no
    database = LedgerDatabase(postgres_ledger_url)
    original = abandoned.packed_claims

    def unpacked_before(connection: sa.Connection, batch_no: int) -> Any:
        with database.transaction() as another:
            unpack(another, number)
        return original(connection, batch_no)

    monkeypatch.setattr(abandoned, "packed_claims", unpacked_before)
    later = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    database.close()
    assert len(claim(ledger, later, range(10), "b2")) == 10


def test_a_planner_cannot_claim_a_number_while_it_is_erased(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looked for erased people before, and would call one of them."""
    plan = other.plans.begin(sync="b", partition_key="", run_id="r2")
    kept = claim(other, plan, [7], "b1", workflow="another")
    assert kept
    refused: list[PlanSuperseded] = []

    def claim_it() -> None:
        try:
            claim(other, plan, [3], "b2", workflow="another")
        except PlanSuperseded as error:
            refused.append(error)

    planning = beside(monkeypatch, erasures, "batches_that_pack", claim_it)
    erase(ledger)
    planning.join(30)
    assert "or erased somebody" in str(refused[0])
    assert dict(ledger.holders.find(["another"], [PHONE, 919800000007])) == {}


def test_a_plan_begins_when_an_erasure_is_over(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that its planner finds the hash when it looks for erased people."""
    begun: list[set[str]] = []

    def begin() -> None:
        other.plans.begin(sync="b", partition_key="", run_id="r2")
        begun.append(other.erasures.key_ids())

    beginning = beside(monkeypatch, erasures, "batches_that_pack", begin)
    erase(ledger)
    beginning.join(30)
    assert begun == [{PhoneHasher("k" * 32).key_id}]


def erase(ledger: Ledger) -> None:
    hasher = PhoneHasher("k" * 32)
    ledger.erasures.erase(
        {PHONE: hasher.hash(PHONE)},
        key_id=hasher.key_id,
        who="meena",
        why="law",
        spelled=SpelledPhones([PHONE]).are_in,
    )
