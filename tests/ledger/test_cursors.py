"""A cursor passes a plan only when nothing of it is open."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dialnexa_pipeline.ledger import (
    REPLAY,
    Correction,
    Count,
    Hold,
    Ledger,
    Plan,
    PlanRead,
    RefusedRow,
)
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import LEASE, NOW, on_disk, refs_of

BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
JANUARY = datetime(2026, 1, 5, 12, 30, 0, 250_000, tzinfo=UTC)


def read_plan(
    ledger: Ledger,
    numbers: range = range(2),
    *,
    batch_id: str = "b1",
    since: datetime | None = None,
    until: datetime = JANUARY,
    refused: RefusedRow | None = None,
    hold: Hold | None = None,
    began: datetime = BEGAN,
) -> Plan:
    """A ready plan of sync `a` that read its source up to a moment."""
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    ledger.cursors.note(plan, PlanRead("f", since, until, began))
    if numbers:
        claim(ledger, plan, numbers, batch_id, ref_column="ref")
        on_disk(ledger, batch_id)
    if refused is not None:
        counts = [Count(refused.workflow_id, refused.outcome, refused.reason, 1)]
        ledger.plans.refuse(plan, refused_table([refused]), counts)
    ledger.plans.make_ready(plan, source_rows=9, phone_metadata="9", hold=hold)
    return plan


def send(ledger: Ledger, batch_id: str = "b1") -> None:
    assert ledger.batches.start_sending(batch_id, owner="me", run_id="r1", lease=LEASE)


def enrol(ledger: Ledger, batch_id: str = "b1") -> None:
    send(ledger, batch_id)
    ids = dict.fromkeys(refs_of(ledger, batch_id))
    ledger.batches.settle_enrolled(batch_id, owner="me", lead_ids=ids)


def settled(ledger: Ledger) -> datetime | None:
    return ledger.cursors.of("a", "f").settled_until


def same_number(lead_key: str = "k9", phone: str = "+919800000000") -> RefusedRow:
    return RefusedRow("wf", lead_key, "duplicate", "duplicate/same_number", None, phone, phone)


def test_a_plan_counts_once_all_its_leads_are_enrolled(ledger: Ledger) -> None:
    read_plan(ledger)
    assert settled(ledger) is None
    send(ledger)
    assert settled(ledger) is None
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs_of(ledger)))
    assert settled(ledger) == JANUARY
    assert ledger.cursors.of("a", "other").settled_until is None
    assert ledger.cursors.of("b", "f").settled_until is None
    assert ledger.cursors.of("a", "f").fully_read_at == BEGAN


def test_a_plan_that_was_never_ready_does_not_count(ledger: Ledger) -> None:
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    ledger.cursors.note(plan, PlanRead("f", None, JANUARY, BEGAN))
    assert settled(ledger) is None
    assert ledger.cursors.of("a", "f").fully_read_at is None


def test_a_held_plan_with_nothing_to_send_does_not_count(ledger: Ledger) -> None:
    read_plan(ledger, range(0), hold=Hold(("guard.max_reject_rate",), "all refused"))
    assert settled(ledger) is None
    ledger.approvals.approve(sync="a", partition_key="", who="me", why="so be it")
    assert settled(ledger) == JANUARY


def test_a_refused_call_and_a_doubt_are_open_until_a_later_plan_settles_them(
    ledger: Ledger,
) -> None:
    read_plan(ledger)
    send(ledger)
    ledger.batches.fail("b1", owner="me", reason="planned/call_refused", detail="402")
    assert settled(ledger) is None
    read_plan(ledger, batch_id="b2")
    send(ledger, "b2")
    ledger.batches.put_in_doubt("b2", owner="me", reason="in_doubt/no_answer", detail="504")
    assert settled(ledger) is None
    ledger.doubts.settle_found("b2", dict.fromkeys(refs_of(ledger, "b2")[:1], "l1"))
    for _ in range(2):
        began = ledger.doubts.clock() + timedelta(seconds=1)
        ledger.doubts.note_absence("b2", listing_began=began, settle=NOW, confirm=NOW)
    assert ledger.doubts.settle_absent("b2") == 1
    # One row was proved absent; the plan that read it does not count.
    assert settled(ledger) is None
    read_plan(ledger, range(1, 2), batch_id="b3")
    enrol(ledger, "b3")
    assert settled(ledger) == JANUARY


def test_a_row_that_the_request_budget_left_unjudged_is_read_again(ledger: Ledger) -> None:
    read_plan(ledger)
    send(ledger)
    first, second = refs_of(ledger)
    rejected = {
        first: ("rejected/unresolved", None),
        second: ("rejected/invalid_phone_number", None),
    }
    ledger.batches.settle_rejected("b1", owner="me", rejected=rejected, detail="400")
    assert settled(ledger) is None
    read_plan(ledger, batch_id="b2")
    send(ledger, "b2")
    judged = dict.fromkeys(refs_of(ledger, "b2"), ("rejected/invalid_phone_number", None))
    ledger.batches.settle_rejected("b2", owner="me", rejected=judged, detail="400")
    assert settled(ledger) == JANUARY


@pytest.mark.parametrize("outcome", ["planned", "in_doubt", "deferred"])
def test_a_lead_that_waits_for_a_later_run_holds_the_cursor(ledger: Ledger, outcome: str) -> None:
    row = RefusedRow("wf", "k9", outcome, f"{outcome}/other", None, "1", None)
    read_plan(ledger, range(0), refused=row)
    assert settled(ledger) is None


def test_a_correction_holds_the_cursor_until_its_lead_is_enrolled_or_read_again(
    ledger: Ledger,
) -> None:
    blank = RefusedRow("wf", "k9", "invalid", "invalid/blank", None, "", None)
    read_plan(ledger, range(0), refused=blank)
    assert settled(ledger) == JANUARY
    correction = Correction("k9", 919800000009, {"mobile": ""}, {"mobile": "+919800000009"})
    ledger.corrections.keep("b", [correction], who="me")
    assert settled(ledger) == JANUARY, "of another sync"
    ledger.corrections.keep("a", [correction], who="me")
    assert settled(ledger) is None
    # The next run reads it, and refuses it all the same.
    still = replace(blank, reason="invalid/blank_variable")
    read_plan(ledger, range(0), refused=still, began=ledger.doubts.clock())
    assert settled(ledger) == JANUARY
    ledger.corrections.keep("a", [correction], who="me")
    assert settled(ledger) is None
    # The sheet enrols it.
    plan = ledger.plans.begin(sync="a", partition_key=REPLAY, run_id="sheet")
    claim(ledger, plan, range(9, 10), "b9", ref_column="ref")
    on_disk(ledger, "b9")
    ledger.plans.make_ready(plan, source_rows=1, phone_metadata="9")
    enrol(ledger, "b9")
    assert settled(ledger) == JANUARY


def test_the_cursor_follows_the_newest_settled_plan(ledger: Ledger) -> None:
    read_plan(ledger)
    enrol(ledger)
    later = JANUARY + timedelta(days=1)
    read_plan(ledger, range(2, 4), batch_id="b2", since=JANUARY, until=later)
    assert settled(ledger) == JANUARY
    enrol(ledger, "b2")
    assert settled(ledger) == later


def test_a_duplicate_is_sure_only_while_somebody_is_enrolled_with_the_number(
    ledger: Ledger,
) -> None:
    read_plan(ledger, range(1), refused=same_number())
    assert ledger.cursors.of("a", "f").unsure_duplicates == 1
    enrol(ledger)
    assert ledger.cursors.of("a", "f").unsure_duplicates == 0
    read_plan(ledger, range(0), refused=same_number(phone="+919800000077"))
    assert ledger.cursors.of("a", "f").unsure_duplicates == 1


def test_a_duplicate_of_a_number_that_dialnexa_refused_is_sure(ledger: Ledger) -> None:
    read_plan(ledger, range(1), refused=same_number())
    send(ledger)
    ledger.batches.settle_rejected(
        "b1",
        owner="me",
        rejected={refs_of(ledger)[0]: ("rejected/invalid_phone_number", None)},
        detail="400",
    )
    assert ledger.cursors.of("a", "f").unsure_duplicates == 0
    assert settled(ledger) == JANUARY


def test_a_plan_of_what_changed_resolves_only_what_it_surely_knows(ledger: Ledger) -> None:
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r0")
    rows = [
        RefusedRow("wf", "k0", "in_doubt", "in_doubt/earlier_run", None, "0", "+919800000000"),
        RefusedRow("wf", "k1", "invalid", "invalid/blank", None, "1", None),
        RefusedRow("", "k2", "invalid", "invalid/no_workflow", None, "2", None),
        RefusedRow("wf", "k3", "invalid", "invalid/blank", None, "3", None),
        RefusedRow("old", "k4", "invalid", "invalid/blank", None, "4", None),
    ]
    ledger.plans.refuse(plan, refused_table(rows), [])
    claim(ledger, plan, range(1), "b0", ref_column="ref")
    on_disk(ledger, "b0")
    ledger.plans.make_ready(plan, source_rows=5, phone_metadata="9")
    enrol(ledger, "b0")
    other = RefusedRow("wf", "k0", "in_doubt", "in_doubt/earlier_run", None, "0", "+919800000000")
    late = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    ledger.plans.refuse(late, refused_table([other]), [])
    moved = RefusedRow("wf", "k4", "invalid", "invalid/blank", None, "4", None)
    read_plan(ledger, range(2, 4), batch_id="b1", since=BEGAN, refused=moved)
    resolved = {
        (row.workflow_id, row.lead_key)
        for rows in ledger.accounts.all_rejections("a")
        for row in rows
        if row.resolved_at is not None
    }
    # Enrolled, or met under another workflow; not what was not read, or is only planned again.
    assert resolved == {("wf", "k0"), ("", "k2"), ("old", "k4")}
