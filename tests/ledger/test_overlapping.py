"""A plan takes over what plans of other partitions never sent, and only what it is told to."""

from dialnexa_pipeline.ledger import Ledger, Plan, RefusedRow
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import LEASE, changed_rejections, on_disk, outcomes, refs_of

DAY, YEAR = "2026-01-02", "2026-01-01...2026-12-31"


def planned(
    ledger: Ledger, partition_key: str, numbers: range, batch_id: str, run_id: str = "r1"
) -> Plan:
    plan = ledger.plans.begin(sync="a", partition_key=partition_key, run_id=run_id)
    claim(ledger, plan, numbers, batch_id, ref_column="ref")
    on_disk(ledger, batch_id)
    ledger.plans.make_ready(plan, source_rows=len(numbers), phone_metadata="9")
    return plan


def send(ledger: Ledger, batch_id: str, run_id: str = "r9") -> None:
    assert ledger.batches.start_sending(batch_id, owner="me", run_id=run_id, lease=LEASE)


def taken(ledger: Ledger, plan: Plan) -> set[int]:
    return claim(ledger, plan, range(4), "b9")


def test_a_covered_plan_that_was_not_sent_gives_up_its_claims(ledger: Ledger) -> None:
    planned(ledger, DAY, range(2), "b1")
    planned(ledger, "2026-01-03", range(2, 4), "b2")
    year = ledger.plans.begin(sync="a", partition_key=YEAR, run_id="r2", covers=[DAY])
    assert taken(ledger, year) == {0, 1}
    assert ledger.plans.current(sync="a", partition_key=DAY) is None
    assert ledger.plans.current(sync="a", partition_key="2026-01-03") is not None


def test_what_a_covered_plan_has_sent_stays_its_own(ledger: Ledger) -> None:
    day = planned(ledger, DAY, range(2), "b1")
    send(ledger, "b1")
    year = ledger.plans.begin(sync="a", partition_key=YEAR, run_id="r2", covers=[DAY])
    assert taken(ledger, year) == {2, 3}
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs_of(ledger)))
    assert outcomes(ledger, day) == {"enrolled": 2}
    assert ledger.plans.current(sync="a", partition_key=DAY) == day


def test_a_partition_that_broke_off_is_known_with_its_runs(ledger: Ledger) -> None:
    planned(ledger, DAY, range(2), "b1")
    year = ledger.plans.begin(sync="a", partition_key=YEAR, run_id="r2")
    for numbers, batch_id in ((range(2, 3), "b2"), (range(3, 4), "b3")):
        claim(ledger, year, numbers, batch_id, ref_column="ref")
        on_disk(ledger, batch_id)
    ledger.plans.make_ready(year, source_rows=2, phone_metadata="9")
    send(ledger, "b2")
    known = {each.partition_key: each.half_sent_by for each in ledger.partitions.of("a")}
    assert known == {DAY: frozenset(), YEAR: frozenset({"r2", "r9"})}
    assert ledger.partitions.of("b") == []

    again = ledger.plans.begin(sync="a", partition_key=DAY, run_id="r3", broken_off=[YEAR])
    assert taken(ledger, again) == {0, 1, 3}
    # What it sent in part is still the account of its run.
    assert ledger.plans.current(sync="a", partition_key=YEAR) == year


def test_rows_of_a_covered_partition_that_are_not_seen_again_are_resolved(ledger: Ledger) -> None:
    for key, lead_key in ((DAY, "k1"), ("2027-01-01", "k2")):
        plan = ledger.plans.begin(sync="a", partition_key=key, run_id="r1")
        row = RefusedRow("wf", lead_key, "invalid", "invalid/blank", None, "", None)
        ledger.plans.refuse(plan, refused_table([row]), [])
        ledger.plans.make_ready(plan, source_rows=1, phone_metadata="9")
    changed_rejections(ledger)
    year = ledger.plans.begin(sync="a", partition_key=YEAR, run_id="r2", covers=[DAY])
    ledger.plans.make_ready(year, source_rows=0, phone_metadata="9")
    assert set(changed_rejections(ledger)) == {"k1"}
