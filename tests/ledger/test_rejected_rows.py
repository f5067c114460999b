"""Rejected rows: what stands between a lead and its enrolment, and since when."""

import time

from dialnexa_pipeline.ledger import Ledger, Plan, RefusedRow
from dialnexa_pipeline.ledger.records import Count
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import (
    LEASE,
    changed_rejections,
    doubtful,
    planned,
    refs_of,
    sending,
)


def refuse(ledger: Ledger, reason: str | None, lead_key: str = "k0") -> Plan:
    """A ready plan that refuses one lead, or none."""
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    if reason is not None:
        row = RefusedRow("wf", lead_key, "invalid", reason, None, "abc", None)
        ledger.plans.refuse(plan, refused_table([row]), [Count("wf", "invalid", reason, 1)])
    ledger.plans.make_ready(plan, source_rows=int(reason is not None), phone_metadata="9")
    return plan


def test_a_row_refused_again_keeps_when_it_was_first_seen(ledger: Ledger) -> None:
    refuse(ledger, "invalid/blank")
    first = changed_rejections(ledger)["k0"]
    refuse(ledger, "invalid/letters")
    second = changed_rejections(ledger)["k0"]
    assert second.first_seen_at == first.first_seen_at
    assert second.last_seen_at > first.last_seen_at
    assert (second.reason, second.resolved_at) == ("invalid/letters", None)


def test_a_row_that_leaves_the_source_is_resolved_and_may_come_back(ledger: Ledger) -> None:
    refuse(ledger, "invalid/blank")
    first = changed_rejections(ledger)["k0"]
    refuse(ledger, None)
    assert changed_rejections(ledger)["k0"].resolved_at is not None
    refuse(ledger, "invalid/blank")
    back = changed_rejections(ledger)["k0"]
    assert (back.first_seen_at, back.resolved_at) == (first.first_seen_at, None)


def test_a_row_of_another_partition_is_not_resolved(ledger: Ledger) -> None:
    refuse(ledger, "invalid/blank")
    changed_rejections(ledger)
    other = ledger.plans.begin(sync="a", partition_key="2026-01-02", run_id="r2")
    ledger.plans.make_ready(other, source_rows=0, phone_metadata="9")
    assert changed_rejections(ledger) == {}


def test_a_lead_that_is_enrolled_is_resolved(ledger: Ledger) -> None:
    refuse(ledger, "invalid/blank")
    sending(ledger, 2)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs_of(ledger)))
    (row,) = changed_rejections(ledger).values()
    assert (row.lead_key, row.resolved_at is not None) == ("k0", True)


def test_a_lead_that_is_only_planned_again_is_not_resolved(ledger: Ledger) -> None:
    refuse(ledger, "invalid/blank")
    planned(ledger, 2)
    assert changed_rejections(ledger)["k0"].resolved_at is None


def test_closing_a_plan_does_not_hold_every_row_against_every_claim(ledger: Ledger) -> None:
    keys = [f"k{number}" for number in range(6_000)]
    before = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    rows = [RefusedRow("wf", key, "invalid", "invalid/blank", None, "", None) for key in keys]
    ledger.plans.refuse(
        before, refused_table(rows), [Count("wf", "invalid", "invalid/blank", len(rows))]
    )
    ledger.plans.make_ready(before, source_rows=len(rows), phone_metadata="9")
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    claim(ledger, plan, range(len(rows) - 1), ref_column="ref")
    started = time.perf_counter()
    ledger.plans.make_ready(plan, source_rows=len(rows) - 1, phone_metadata="9")
    assert time.perf_counter() - started < 2.0
    resolved = [key for key, row in changed_rejections(ledger).items() if row.resolved_at]
    assert resolved == [keys[-1]]


def test_rows_refused_by_dialnexa_carry_its_sentence(ledger: Ledger) -> None:
    sending(ledger, 3)
    bad = refs_of(ledger)[1]
    ledger.batches.settle_rejected(
        "b1", owner="me", rejected={bad: ("rejected/refused", "No.")}, detail="No."
    )
    (row,) = changed_rejections(ledger).values()
    assert (row.lead_key, row.outcome, row.reason) == ("k1", "rejected", "rejected/refused")
    assert (row.detail, row.phone, row.batch_id) == ("No.", "+919800000001", "b1")


def test_rows_in_doubt_are_listed_until_a_listing_shows_them(ledger: Ledger) -> None:
    doubtful(ledger, 3)
    assert {row.outcome for row in changed_rejections(ledger).values()} == {"in_doubt"}
    refuse(ledger, None)
    assert changed_rejections(ledger) == {}, "a new plan does not resolve a doubt"
    ledger.doubts.settle_found("b1", dict.fromkeys(refs_of(ledger)[:1], "l"))
    (row,) = changed_rejections(ledger).values()
    assert (row.lead_key, row.resolved_at is not None) == ("k0", True)
    ledger.doubts.settle_absent("b1")
    left = changed_rejections(ledger)
    assert {(r.lead_key, r.reason, r.resolved_at) for r in left.values()} == {
        ("k1", "planned/not_received", None),
        ("k2", "planned/not_received", None),
    }


def test_a_row_that_was_settled_before_it_was_listed_as_in_doubt_is_resolved(
    ledger: Ledger,
) -> None:
    sending(ledger, 2)
    slow = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    # What it saw of the first batch before that was settled.
    doubt = RefusedRow("wf", "k0", "in_doubt", "in_doubt/earlier_run", None, "0", None)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs_of(ledger)))
    ledger.plans.refuse(
        slow, refused_table([doubt]), [Count("wf", "in_doubt", "in_doubt/earlier_run", 1)]
    )
    ledger.plans.make_ready(slow, source_rows=2, phone_metadata="9")
    refuse(ledger, None)
    assert changed_rejections(ledger)["k0"].resolved_at is not None


def test_rows_that_were_not_sent_are_listed_as_planned(ledger: Ledger) -> None:
    plan = planned(ledger, 3)
    assert ledger.batches.list_unsent(plan.plan_id) == 3
    rows = changed_rejections(ledger)
    assert {(row.outcome, row.reason) for row in rows.values()} == {("planned", "planned/not_sent")}


def test_a_superseded_plan_does_not_list_leads_that_a_newer_one_enrolled(ledger: Ledger) -> None:
    old = planned(ledger, 2)
    planned(ledger, 2, run_id="r2", batch_id="b2")
    ledger.batches.start_sending("b2", owner="me", run_id="r2", lease=LEASE)
    ledger.batches.settle_enrolled("b2", owner="me", lead_ids=dict.fromkeys(refs_of(ledger, "b2")))
    ledger.batches.list_unsent(old.plan_id)
    assert all(row.resolved_at is not None for row in changed_rejections(ledger).values())


def test_a_sample_holds_rows_that_still_stand_in_the_way(ledger: Ledger) -> None:
    old = refuse(ledger, "invalid/blank")
    new = refuse(ledger, "invalid/letters", "k1")
    assert ledger.accounts.rejected_sample(old, 5) == []
    (row,) = ledger.accounts.rejected_sample(new, 5)
    assert (row.lead_key, row.reason) == ("k1", "invalid/letters")


def test_a_change_is_pending_until_its_record_table_shows_it(ledger: Ledger) -> None:
    plan = sending(ledger, 2)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs_of(ledger), "l"))
    pending = ledger.accounts.pending("a", "enrolments")
    assert (pending.batch_ids, pending.plan_ids) == (("b1",), (plan.plan_id,))
    (piece,) = ledger.accounts.enrolments_of(pending.batch_ids)
    assert piece.select(["lead_key", "phone", "lead_id", "run_id"]).to_pylist() == [
        {"lead_key": f"k{n}", "phone": f"+91980000000{n}", "lead_id": "l", "run_id": "r1"}
        for n in range(2)
    ]
    ledger.accounts.mark_recorded(pending.change_ids, "enrolments")
    assert ledger.accounts.pending("a", "enrolments").change_ids == ()
    assert ledger.accounts.pending("a", "counts").change_ids != ()
    assert ledger.accounts.pending("b", "counts").change_ids == ()
