"""Withdrawn numbers stay claimed for good; erased ones leave only a keyed hash."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from dialnexa_pipeline.ledger import Ledger, NotWithdrawn, Plan, PlanSuperseded, RefusedRow
from dialnexa_pipeline.phones import PhoneHasher, SpelledPhones
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import doubtful, on_disk, outcomes, planned, refs_of, sending

PHONE = 919800000003
DETAIL = "Withdrawn by meena: asked for it."
HASHER = PhoneHasher("k" * 32)


def enrolled(ledger: Ledger) -> Plan:
    plan = sending(ledger)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    return plan


def ref_of(ledger: Ledger) -> str:
    (claim,) = ledger.withdrawals.of_phones([PHONE])
    return claim.enrolment_ref


def claim_again(ledger: Ledger, batch_id: str = "b2") -> list[str]:
    """The keys of the ten leads that win a claim when the same numbers are planned again."""
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    won = claim(ledger, plan, range(10), batch_id, ref_column="ref")
    on_disk(ledger, batch_id)
    return [f"k{number}" for number in sorted(won)]


def erase(ledger: Ledger) -> None:
    spelled = SpelledPhones([PHONE])
    hashes = {PHONE: HASHER.hash(PHONE)}
    ledger.erasures.erase(
        hashes, key_id=HASHER.key_id, who="meena", why="law", spelled=spelled.are_in
    )


def texts(url: str) -> list[str]:
    """Every value of every row of the ledger, and of every packed claim."""
    engine = sa.create_engine(url)
    found: list[str] = []
    with engine.connect() as connection:
        for pack in connection.execute(sa.text("SELECT content FROM packs")).scalars():
            rows = pa.ipc.open_stream(pack).read_all().to_pylist()
            found += [str(value) for row in rows for value in row.values()]
        for table in sa.inspect(engine).get_table_names():
            for row in connection.execute(sa.text(f"SELECT * FROM {table}")):
                found += map(str, row)
    engine.dispose()
    return found


def test_a_withdrawn_number_keeps_its_claim(ledger: Ledger) -> None:
    plan = enrolled(ledger)
    ledger.withdrawals.withdraw_enrolled(ref_of(ledger), detail=DETAIL)
    assert ledger.holders.find(["wf"], [PHONE])["wf", PHONE].state == "withdrawn"
    assert claim_again(ledger) == []
    assert outcomes(ledger, plan) == {"enrolled": 10}, "that run did enrol it"
    (piece,) = ledger.accounts.enrolments_of(["b1"])
    states = dict(zip(piece["phone"].to_pylist(), piece["state"].to_pylist(), strict=True))
    assert states[f"+{PHONE}"] == "withdrawn"


def test_a_claim_past_its_dedupe_duration_lives_again_when_it_is_withdrawn(ledger: Ledger) -> None:
    enrolled(ledger)
    ledger.holders.expire({"wf": [PHONE]}, older_than=timedelta(0))
    assert ledger.holders.find(["wf"], [PHONE]) == {}
    ledger.withdrawals.withdraw_enrolled(ref_of(ledger), detail=DETAIL)
    assert ledger.holders.find(["wf"], [PHONE])["wf", PHONE].state == "withdrawn"


def test_a_number_that_a_refusal_moved_is_withdrawn_where_it_is_now(ledger: Ledger) -> None:
    sending(ledger)
    (ref, *_) = refs_of(ledger)
    first, second = ledger.batches.split("b1", owner="me", detail="400")
    assert ledger.withdrawals.withdraw_unsent(ref, detail=DETAIL) == 4
    assert ledger.batches.get(first).state == "released"
    assert ledger.batches.get(second).state == "planned"


def test_a_number_withdrawn_before_it_was_sent_takes_its_whole_batch_back(ledger: Ledger) -> None:
    plan = planned(ledger)
    assert ledger.withdrawals.withdraw_unsent(ref_of(ledger), detail=DETAIL) == 9
    assert ledger.batches.sendable(plan.plan_id) == []
    assert outcomes(ledger, plan) == {"planned": 9, "suppressed": 1}
    assert sum(piece.num_rows for piece in ledger.accounts.enrolments_of(["b1"])) == 0
    assert claim_again(ledger) == [f"k{n}" for n in range(10) if n != 3]


def test_a_number_of_a_plan_under_way_supersedes_it(ledger: Ledger) -> None:
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    claim(ledger, plan, range(5))
    assert ledger.withdrawals.withdraw_unsent(ref_of(ledger), detail=DETAIL) == 4
    with pytest.raises(PlanSuperseded):
        claim(ledger, plan, range(5, 10))
    assert claim_again(ledger) == [f"k{n}" for n in range(10) if n != 3]


@pytest.mark.parametrize("step", [sending, doubtful])
def test_a_number_that_is_being_sent_or_in_doubt_is_left_alone(
    ledger: Ledger, step: object
) -> None:
    step(ledger)  # type: ignore[operator]
    assert ledger.withdrawals.withdraw_unsent(ref_of(ledger), detail=DETAIL) is None
    (standing,) = ledger.withdrawals.of_phones([PHONE])
    assert standing.state in {"planned", "in_doubt"}


def test_claims_are_found_by_lead(ledger: Ledger) -> None:
    enrolled(ledger)
    assert [c.phone for c in ledger.withdrawals.of_leads("a", ["k3", "k99"])] == [PHONE]
    assert ledger.withdrawals.of_leads("b", ["k3"]) == []
    assert ledger.erasures.phones_of_leads("a", ["k3"]) == {PHONE}


def test_an_erased_number_is_nowhere_in_the_ledger(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    enrolled(ledger)
    ledger.withdrawals.withdraw_enrolled(ref_of(ledger), detail=DETAIL)
    plan = ledger.plans.begin(sync="a", partition_key="x", run_id="r3")
    spellings = ["98000 00003", "+91-98000-00003 ext 5", "+91 98000 00004"]
    refused = [
        RefusedRow("wf", f"bad{n}", "invalid", "invalid/letters", None, raw, None)
        for n, raw in enumerate(spellings)
    ]
    same = RefusedRow("wf", "z", "duplicate", "x", "d", "9800000003", f"+{PHONE}")
    ledger.plans.refuse(plan, refused_table([*refused, same]), [])
    erase(ledger)
    ledger.erasures.scrub()
    assert not any("9800000003" in text or "00003" in text for text in texts(ledger_url))
    assert "+91 98000 00004" in texts(ledger_url)
    for file in tmp_path.glob("ledger.db*"):
        assert b"9800000003" not in file.read_bytes()
    assert ledger.erasures.known([HASHER.hash(PHONE), "?"]) == {HASHER.hash(PHONE)}
    assert ledger.erasures.key_ids() == {HASHER.key_id}


def test_an_erased_number_is_out_of_packed_claims_that_hold_nothing(
    ledger: Ledger, ledger_url: str
) -> None:
    planned(ledger)
    ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    assert str(PHONE) in texts(ledger_url)
    erase(ledger)
    assert str(PHONE) not in texts(ledger_url)
    assert str(PHONE + 1) in texts(ledger_url)


def test_a_number_with_a_standing_claim_is_not_erased(ledger: Ledger, ledger_url: str) -> None:
    enrolled(ledger)
    with pytest.raises(NotWithdrawn):
        erase(ledger)
    assert ledger.erasures.key_ids() == set()
    assert str(PHONE) in texts(ledger_url)


def test_erasing_twice_is_erasing_once(ledger: Ledger) -> None:
    enrolled(ledger)
    ledger.withdrawals.withdraw_enrolled(ref_of(ledger), detail=DETAIL)
    erase(ledger)
    erase(ledger)
    assert ledger.erasures.known([HASHER.hash(PHONE)])


def test_the_file_of_a_refused_batch_is_found_through_its_children(ledger: Ledger) -> None:
    sending(ledger)
    child, other = ledger.batches.split("b1", owner="me", detail="?")
    needed = {file.batch_id: file.needed for file in ledger.erasures.files_of([PHONE])}
    assert needed == {"b1": True, child: True}
    on_disk(ledger, child)
    on_disk(ledger, other)
    ledger.withdrawals.withdraw_unsent(ref_of(ledger), detail=DETAIL)
    needed = {file.batch_id: file.needed for file in ledger.erasures.files_of([PHONE])}
    assert needed == {"b1": False, child: False}
