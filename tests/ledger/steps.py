"""Steps that bring a plan of ten numbers to the state a test starts from."""

from datetime import timedelta

from dialnexa_pipeline.ledger import Ledger, Plan, RecordedRejection
from tests.ledger.candidates import claim

LEASE = timedelta(minutes=1)
NOW = timedelta(0)
HOUR = timedelta(hours=1)


def planned(
    ledger: Ledger,
    rows: int = 10,
    *,
    run_id: str = "r1",
    batch_id: str = "b1",
    hold_absent: bool = False,
) -> Plan:
    """A ready plan of sync `a` with one batch on disk."""
    plan = ledger.plans.begin(sync="a", partition_key="", run_id=run_id)
    claim(ledger, plan, range(rows), batch_id, ref_column="ref", hold_absent=hold_absent)
    on_disk(ledger, batch_id)
    ledger.plans.make_ready(plan, source_rows=rows, phone_metadata="9")
    return plan


def on_disk(ledger: Ledger, batch_id: str) -> None:
    """Note a file for the batch, so that it may be sent."""
    ledger.plans.batch_is_on_disk(batch_id, file_path="f", sha256="s", file_bytes=1)


def sending(ledger: Ledger, rows: int = 10, *, hold_absent: bool = False) -> Plan:
    """As `planned`, and the batch is leased to `me`."""
    plan = planned(ledger, rows, hold_absent=hold_absent)
    assert ledger.batches.start_sending("b1", owner="me", run_id="r1", lease=LEASE)
    return plan


def doubtful(ledger: Ledger, rows: int = 10, *, hold_absent: bool = False) -> Plan:
    """As `sending`, and the answer never came."""
    plan = sending(ledger, rows, hold_absent=hold_absent)
    ledger.batches.put_in_doubt("b1", owner="me", reason="in_doubt/no_answer", detail="504")
    return plan


def refs_of(ledger: Ledger, batch_id: str = "b1") -> list[str]:
    return [claim.enrolment_ref for claim in ledger.batches.claims_of(batch_id)]


def outcomes(ledger: Ledger, plan: Plan) -> dict[str, int]:
    """Outcome → leads of the plan's account."""
    return ledger.accounts.of_plan(plan.plan_id).by_outcome()


def changed_rejections(ledger: Ledger, sync: str = "a") -> dict[str, RecordedRejection]:
    """Rejected rows by lead key that the record table does not show yet; it shows them now."""
    pending = ledger.accounts.pending(sync, "rejected_rows")
    rows = {
        row["lead_key"]: RecordedRejection(**row)
        for piece in ledger.accounts.rejections_changed(pending.change_ids)
        for row in piece.to_pylist()
    }
    ledger.accounts.mark_recorded(pending.change_ids, "rejected_rows")
    return rows
