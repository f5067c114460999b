"""Plans that nobody finishes keep no number from others; plans that live keep all of theirs."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from dialnexa_pipeline.ledger import Ledger, Plan, PlanSuperseded
from dialnexa_pipeline.ledger.abandoned import PREVIEW_KEEPS
from dialnexa_pipeline.ledger.tables import plans
from tests.ledger.candidates import claim
from tests.ledger.steps import LEASE, on_disk, outcomes, planned

NO_TIME = timedelta(0)


def begun(ledger: Ledger, lease: timedelta) -> Plan:
    """An open plan of sync `a` with three claims."""
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1", lease=lease)
    claim(ledger, plan, range(3))
    return plan


def claimed_by_another_sync(ledger: Ledger) -> int:
    plan = ledger.plans.begin(sync="b", partition_key="", run_id="r2")
    return len(claim(ledger, plan, range(3), "b2"))


def made_old(ledger_url: str, plan: Plan) -> None:
    """The plan became ready so long ago that nobody waits for its approval any more."""
    long_ago = datetime.now(UTC) - PREVIEW_KEEPS - timedelta(hours=1)
    engine = sa.create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(
            sa.update(plans).where(plans.c.plan_id == plan.plan_id).values(ready_at=long_ago)
        )
    engine.dispose()


def test_another_sync_takes_the_numbers_of_a_dead_planner(ledger: Ledger) -> None:
    dead = begun(ledger, NO_TIME)
    assert claimed_by_another_sync(ledger) == 3
    with pytest.raises(PlanSuperseded, match="heart-beat had stopped"):
        ledger.plans.make_ready(dead, source_rows=3, phone_metadata="9")
    assert not ledger.plans.renew_lease(dead, lease=LEASE)


def test_a_planner_that_renews_its_lease_keeps_its_numbers(ledger: Ledger) -> None:
    plan = begun(ledger, NO_TIME)
    assert ledger.plans.renew_lease(plan, lease=LEASE)
    assert claimed_by_another_sync(ledger) == 0
    ledger.plans.make_ready(plan, source_rows=3, phone_metadata="9")


def test_a_preview_keeps_its_numbers_for_days_and_then_gives_them_up(
    ledger: Ledger, ledger_url: str
) -> None:
    preview = planned(ledger, 3)
    assert claimed_by_another_sync(ledger) == 0
    made_old(ledger_url, preview)
    assert claimed_by_another_sync(ledger) == 3
    assert ledger.plans.current(sync="a", partition_key="") is None


def test_what_an_old_plan_sent_stays_claimed_and_accounted(ledger: Ledger, ledger_url: str) -> None:
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    for batch_id, numbers in (("b1", range(2)), ("b1x", range(2, 3))):
        claim(ledger, plan, numbers, batch_id)
        on_disk(ledger, batch_id)
    ledger.plans.make_ready(plan, source_rows=3, phone_metadata="9")
    ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    made_old(ledger_url, plan)

    assert claimed_by_another_sync(ledger) == 1
    assert ledger.plans.current(sync="a", partition_key="") == plan
    assert outcomes(ledger, plan) == {"enrolled": 2, "planned": 1}


def test_what_a_run_left_in_the_air_is_in_doubt_and_another_runs_batch_is_not(
    ledger: Ledger,
) -> None:
    planned(ledger, 3)
    ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)
    assert ledger.doubts.put_senders_of_run_in_doubt("another run") == []
    assert ledger.doubts.put_senders_of_run_in_doubt("r1") == ["b1"]
    assert ledger.batches.get("b1").state == "in_doubt"
