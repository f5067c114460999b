"""SQLite walks all claims in no question that a run asks: a ledger of millions costs no more."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from dialnexa_pipeline.ledger import Ledger, PlanRead
from tests.ledger.candidates import claim
from tests.ledger.steps import HOUR, LEASE, NOW, doubtful, on_disk, planned, refs_of, sending

_LARGE = ("claims", "expired_claims", "given", "live_claims", "packs")


@contextmanager
def no_walk(*, statements: int) -> Generator[None]:
    """Of the block's statements that name one of `_LARGE`, SQLite walks it in none.

    Args:
        statements: at least so many of them there are.
    """
    steps: dict[str, list[str]] = {}

    def explain(
        connection: sa.Connection,
        _cursor: object,
        statement: str,
        parameters: Sequence[Any],
        _context: object,
        executemany: bool,
    ) -> None:
        if not any(name in statement for name in _LARGE) or statement in steps:
            return
        driver: Any = connection.connection.driver_connection
        values = parameters[0] if executemany else parameters
        plan = driver.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        steps[statement] = [row[3] for row in plan]

    event.listen(sa.Engine, "before_cursor_execute", explain)
    try:
        yield
    finally:
        event.remove(sa.Engine, "before_cursor_execute", explain)
    assert len(steps) >= statements
    assert not [
        statement
        for statement, plan in steps.items()
        if any(step.startswith(tuple(f"SCAN {name}" for name in _LARGE)) for step in plan)
    ]


@pytest.fixture
def sqlite_ledger(sqlite_ledger_url: str) -> Generator[Ledger]:
    with Ledger(sqlite_ledger_url) as opened:
        yield opened


def test_no_step_of_a_run_walks_all_claims(sqlite_ledger: Ledger) -> None:
    ledger = sqlite_ledger
    with no_walk(statements=20):
        plan = sending(ledger)
        refs = refs_of(ledger)
        child = ledger.batches.settle_rejected(
            "b1", owner="me", rejected={refs[0]: ("rejected/x", None)}, detail="400"
        )
        assert child is not None
        assert ledger.batches.children_of("b1") == [child]
        on_disk(ledger, child)
        assert ledger.batches.start_sending(child, owner="me", run_id="r1", lease=LEASE)
        halves = ledger.batches.split(child, owner="me", detail="400")
        for half in halves:
            on_disk(ledger, half)
            assert ledger.batches.start_sending(half, owner="me", run_id="r1", lease=LEASE)
            ids = dict.fromkeys(refs_of(ledger, half))
            ledger.batches.settle_enrolled(half, owner="me", lead_ids=ids)
        assert [piece.num_rows for piece in ledger.accounts.enrolments_of(halves)] == [4, 5]
        assert ledger.accounts.of_plan(plan.plan_id).by_outcome() == {"enrolled": 9, "rejected": 1}
        ledger.batches.list_unsent(plan.plan_id)
        ledger.totals.enrolments(sync="a")
        ledger.cursors.note(plan, PlanRead("f", None, None, ledger.doubts.clock()))
        ledger.cursors.of("a", "f")
        ledger.watching.ready_plans(after=ledger.doubts.clock() - HOUR)
        ledger.watching.enrolled(after=ledger.doubts.clock() - HOUR, until=ledger.doubts.clock())
        ledger.holders.find(["wf"], [919800000001], forgotten_after=HOUR)
        ledger.holders.expire({"wf": [919800000001]}, older_than=HOUR)
        later = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
        claim(ledger, later, range(20, 30), "b2")
        ledger.plans.make_ready(later, source_rows=10, phone_metadata="9")
        ledger.plans.begin(sync="a", partition_key="", run_id="r3")


def test_no_step_of_a_doubt_walks_all_claims(sqlite_ledger: Ledger) -> None:
    ledger = sqlite_ledger
    with no_walk(statements=5):
        doubtful(ledger)
        assert ledger.doubts.settle_found("b1", {refs_of(ledger)[0]: "l0"}) == 9
        for _ in range(3):
            ledger.doubts.note_absence(
                "b1", listing_began=ledger.doubts.clock(), settle=NOW, confirm=NOW
            )
        assert len(ledger.doubts.claims_of("b1")) == 9
        assert ledger.doubts.settle_absent("b1") == 9


def test_no_step_of_withdrawing_a_claim_walks_all_claims(sqlite_ledger: Ledger) -> None:
    ledger = sqlite_ledger
    with no_walk(statements=5):
        sending(ledger)
        refs = refs_of(ledger)
        ledger.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs))
        ledger.holders.expire({"wf": [919800000001]}, older_than=-HOUR)
        ledger.withdrawals.withdraw_enrolled(refs[1], detail="asked")
        planned(ledger, 20, run_id="r2", batch_id="b2")
        assert ledger.withdrawals.withdraw_unsent(refs_of(ledger, "b2")[0], detail="asked") == 9
