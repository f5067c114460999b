"""Claims: at most one live claim per workflow and phone, whoever asks."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.ledger import Count, Ledger, PlanSuperseded, RefusedRow
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import LEASE, changed_rejections, on_disk


def test_a_number_is_claimed_once_in_a_workflow(ledger: Ledger) -> None:
    first = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    second = ledger.plans.begin(sync="b", partition_key="", run_id="r2")

    won = claim(ledger, first, range(10))
    late = claim(ledger, second, range(5, 15), "b2")

    assert len(won) == 10
    assert late == {10, 11, 12, 13, 14}


def test_threads_that_claim_the_same_numbers_share_them_without_overlap(ledger: Ledger) -> None:
    plans = [ledger.plans.begin(sync=f"s{n}", partition_key="", run_id="r") for n in range(4)]

    def claim_all(index: int) -> set[int]:
        return claim(ledger, plans[index], range(200), f"b{index}")

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(claim_all, range(4)))

    assert sum(len(numbers) for numbers in won) == 200


def test_a_new_plan_releases_claims_that_were_never_sent(ledger: Ledger) -> None:
    old = ledger.plans.begin(sync="a", partition_key="p", run_id="r1")
    claim(ledger, old, range(3))
    other = ledger.plans.begin(sync="a", partition_key="q", run_id="r1")
    claim(ledger, other, range(10, 12), "b9")

    new = ledger.plans.begin(sync="a", partition_key="p", run_id="r2")

    won = claim(ledger, new, range(12), "b2")
    assert len(won) == 10, "the other partition keeps its two claims"


def test_a_new_plan_leaves_claims_that_are_being_sent(ledger: Ledger) -> None:
    old = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    claim(ledger, old, range(3))
    assert not ledger.batches.start_sending("b1", owner="o", run_id="r1", lease=LEASE), "no file"
    on_disk(ledger, "b1")
    assert ledger.batches.start_sending("b1", owner="o", run_id="r1", lease=LEASE)

    new = ledger.plans.begin(sync="a", partition_key="", run_id="r2")

    assert claim(ledger, new, range(3), "b2") == set()


def test_a_superseded_plan_claims_nothing_more(ledger: Ledger) -> None:
    old = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    ledger.plans.begin(sync="a", partition_key="", run_id="r2")

    with pytest.raises(PlanSuperseded, match="another run planned"):
        claim(ledger, old, range(3))


def test_rejected_rows_keep_when_they_were_first_seen_and_resolve_when_they_leave(
    ledger: Ledger,
) -> None:
    row = RefusedRow("wf", "k1", "invalid", "invalid/blank", None, "", None)
    count = Count("wf", "invalid", "invalid/blank", 1)
    seen = []
    for run in range(3):
        plan = ledger.plans.begin(sync="a", partition_key="", run_id=f"r{run}")
        if run < 2:
            ledger.plans.refuse(plan, refused_table([row]), [count])
        ledger.plans.make_ready(plan, source_rows=1 if run < 2 else 0, phone_metadata="9")
        seen.append(changed_rejections(ledger)["k1"])

    assert seen[0].first_seen_at == seen[1].first_seen_at
    assert seen[0].last_seen_at < seen[1].last_seen_at
    assert seen[1].resolved_at is None
    assert seen[2].resolved_at is not None


@pytest.mark.parametrize("url", ["mysql://h/d", "duckdb:///x.db", "sqlite://", "nonsense"])
def test_a_url_that_cannot_keep_the_invariants_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="DIALNEXA_LEDGER_URL"):
        Ledger(url)
