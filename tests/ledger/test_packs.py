"""A batch's claims are the same packed or unpacked, and whoever needs rows gets them."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from benchmarks.chaos.all_claims import show_all_claims
from dialnexa_pipeline.ledger import Ledger, Plan, enrolment_ref
from dialnexa_pipeline.ledger.batch_claims import claims_of_batch
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.packs import batch_of_ref, batches_that_pack, packed_claims, unpack
from dialnexa_pipeline.ledger.rejections import list_unenrolled_claims
from dialnexa_pipeline.ledger.tables import claims, packs, rejected_rows
from dialnexa_pipeline.ledger.transitions import lock_batch
from tests.ledger.candidates import candidates, claim
from tests.ledger.steps import LEASE, on_disk, sending

PHONE = 919800000000


@pytest.fixture
def database(ledger: Ledger, ledger_url: str) -> Generator[LedgerDatabase]:
    opened = LedgerDatabase(ledger_url)
    yield opened
    opened.close()


def rows_in(database: LedgerDatabase, table: sa.Table) -> int:
    with database.reading() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def filled(ledger: Ledger) -> Plan:
    """A plan with batches `b1` and `b2`, each packed in two parts; `b1` lost two numbers."""
    other = ledger.plans.begin(sync="other", partition_key="", run_id="r0")
    claim(ledger, other, [3, 14], "b0")
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    assert claim(ledger, plan, range(10), "b1") == {*range(10)} - {3}
    claim(ledger, plan, range(20, 25), "b2")
    assert claim(ledger, plan, range(10, 16), "b1", first_seq=30) == {*range(10, 16)} - {14}
    claim(ledger, plan, range(40, 45), "b2")
    return plan


def test_claims_read_the_same_packed_unpacked_and_in_part(
    ledger: Ledger, database: LedgerDatabase
) -> None:
    filled(ledger)
    number = ledger.batches.get("b1").batch_no
    with database.transaction() as connection:
        packed = claims_of_batch(connection, number)
        unpack(connection, number)
        rows = claims_of_batch(connection, number)
    assert packed["phone"].to_pylist() == [PHONE + n for n in (*range(3), *range(4, 14), 15)], (
        "in file order, without those that lost"
    )
    assert rows.equals(packed)
    assert rows_in(database, claims) == 14
    assert rows_in(database, packs) == 3, "those of the other batches"
    plan = ledger.plans.begin(sync="b", partition_key="", run_id="r2")
    claim(ledger, plan, range(60, 63), "b3")
    number = ledger.batches.get("b3").batch_no
    with database.transaction() as connection:
        unpack(connection, number)
    claim(ledger, plan, range(63, 66), "b3")
    with database.reading() as connection:
        both = claims_of_batch(connection, number)
    assert both["lead_key"].to_pylist() == [f"k{n}" for n in range(60, 66)]


def test_the_rows_of_a_batch_are_those_that_it_packed(ledger: Ledger) -> None:
    plan = filled(ledger)
    before = ledger.batches.rows_of("b2")
    assert before.refs[0] == enrolment_ref(plan.plan_id, 20)
    assert [claim.e164 for claim in ledger.batches.claims_of("b2")] == before.phones
    assert ledger.batches.rows_of("b2") == before


def test_a_place_is_not_given_twice(ledger: Ledger) -> None:
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r1")
    claim(ledger, plan, range(10), "b1")
    with pytest.raises(ValueError, match="places in a plan are unique"):
        claim(ledger, plan, range(20, 25), "b1", first_seq=7)
    assert claim(ledger, plan, range(20, 25), "b1", first_seq=10) == {*range(20, 25)}


def test_of_two_that_unpack_a_batch_one_writes_its_rows(
    ledger: Ledger, database: LedgerDatabase
) -> None:
    filled(ledger)
    number = ledger.batches.get("b1").batch_no

    def once(_index: int) -> None:
        with database.transaction() as connection:
            unpack(connection, number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(once, range(4)))
    assert rows_in(database, claims) == 14


def test_packs_are_found_by_number_and_by_key(ledger: Ledger, database: LedgerDatabase) -> None:
    filled(ledger)
    numbers = {name: ledger.batches.get(name).batch_no for name in ("b0", "b1", "b2")}
    with database.reading() as connection:
        assert batches_that_pack(connection, phones=[PHONE + 3]) == [numbers["b0"]]
        assert batches_that_pack(connection, lead_keys=["k9", "k41"]) == [
            numbers["b1"],
            numbers["b2"],
        ]
        assert batches_that_pack(connection, phones=[PHONE + 99], lead_keys=["k99"]) == []
        assert batches_that_pack(connection, lead_keys=["k3", "k9"], sync="other") == [
            numbers["b0"]
        ]


@pytest.mark.parametrize("place", [2, 31])
def test_a_ref_names_the_batch_of_its_claim_packed_or_not(
    place: int, ledger: Ledger, database: LedgerDatabase
) -> None:
    plan = filled(ledger)
    number = ledger.batches.get("b1").batch_no
    for _ in range(2):
        with database.transaction() as connection:
            assert batch_of_ref(connection, enrolment_ref(plan.plan_id, place)) == number
            assert batch_of_ref(connection, enrolment_ref(plan.plan_id, 99)) is None
            unpack(connection, number)


def test_a_packed_claim_is_withdrawn_by_its_ref(ledger: Ledger) -> None:
    plan = sending(ledger)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    ledger.withdrawals.withdraw_enrolled(enrolment_ref(plan.plan_id, 4), detail="asked")
    (piece,) = ledger.accounts.enrolments_of(["b1"])
    assert piece["state"].to_pylist() == ["enrolled"] * 4 + ["withdrawn"] + ["enrolled"] * 5


def test_a_batch_that_is_sent_and_enrolled_is_never_unpacked(
    ledger: Ledger, database: LedgerDatabase
) -> None:
    plan = sending(ledger)
    ledger.batches.rows_of("b1")
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    list(ledger.accounts.enrolments_of(["b1"]))
    ledger.accounts.of_plan(plan.plan_id)
    ledger.holders.find(["wf"], [PHONE + 1])
    ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    assert rows_in(database, claims) == 0


@pytest.mark.parametrize("own", [True, False])
def test_a_lead_enrolled_through_another_batch_is_not_listed_for_the_first(
    own: bool, ledger: Ledger, database: LedgerDatabase
) -> None:
    """The other batch stays packed: its live claims tell whose the numbers are."""
    sending(ledger)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    ledger.holders.expire({"wf": range(PHONE, PHONE + 10)}, older_than=-LEASE)
    plan = ledger.plans.begin(sync="a", partition_key="", run_id="r2")
    claim(ledger, plan, range(10), "b2")
    on_disk(ledger, "b2")
    ledger.plans.make_ready(plan, source_rows=10, phone_metadata="9")
    assert ledger.batches.start_sending("b2", owner="me", run_id="r2", lease=LEASE)
    refs = ledger.batches.rows_of("b2").refs
    ledger.batches.settle_rejected(
        "b2", owner="me", rejected=dict.fromkeys(refs, ("rejected/x", None)), detail="400"
    )
    # Who was refused gave the numbers back to the first batch.
    ledger.holders.expire({"wf": range(PHONE, PHONE + 10)}, older_than=-LEASE)
    later = ledger.plans.begin(sync="a", partition_key="", run_id="r3")
    asked = candidates(range(10), "b3", keys=None if own else [f"other{n}" for n in range(10)])
    assert ledger.plans.claim(later, [asked], ref_column=None) == set()
    on_disk(ledger, "b3")
    ledger.plans.make_ready(later, source_rows=10, phone_metadata="9")
    assert ledger.batches.start_sending("b3", owner="me", run_id="r3", lease=LEASE)
    ledger.batches.settle_enrolled("b3", owner="me", lead_ids={})
    with database.transaction() as connection:
        now = database.now(connection)
        list_unenrolled_claims(connection, lock_batch(connection, "b2"), now=now, change_id=99)
        listed = sa.select(sa.func.count()).where(rejected_rows.c.change_id == 99)
        assert connection.scalar(listed) == (0 if own else 10)
        assert packed_claims(connection, lock_batch(connection, "b3").batch_no).num_rows == 10


def test_all_claims_shows_packed_ones_and_rows(ledger: Ledger, database: LedgerDatabase) -> None:
    filled(ledger)
    number = ledger.batches.get("b2").batch_no
    with database.transaction() as connection:
        unpack(connection, number)
    with database.engine.connect() as connection:
        show_all_claims(connection)
        shown = connection.exec_driver_sql(
            "SELECT batch_id, count(*), min(phone), sum(CASE WHEN live THEN 1 ELSE 0 END) "
            "FROM all_claims WHERE state = 'planned' GROUP BY batch_id ORDER BY batch_id"
        )
        assert [tuple(row) for row in shown] == [
            ("b0", 2, PHONE + 3, 2),
            ("b1", 14, PHONE, 14),
            ("b2", 10, PHONE + 20, 10),
        ]
