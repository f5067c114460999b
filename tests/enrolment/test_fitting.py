"""A row that no file may hold is refused alone; nobody before or behind it is kept back."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dialnexa_pipeline.enrolment import BatchLimits, plan_leads
from dialnexa_pipeline.leads import REASONS, ScreeningConfig, screen
from dialnexa_pipeline.ledger import Account, Batch, Ledger
from dialnexa_pipeline.phones import PHONE_TYPES
from dialnexa_pipeline.store import Store

SCREENING = ScreeningConfig(
    key="id",
    phone="mobile",
    country=None,
    default_country="IN",
    workflow="wf",
    workflow_column=None,
    variables={"note": "note"},
    required_variables=(),
    phone_types=frozenset(PHONE_TYPES),
)
LIMIT = 10_000


def planned(
    folder: Path, notes: list[str], *, file_format: str, mobiles: list[str] | None = None
) -> tuple[Account, list[Batch]]:
    """The account and the batches of leads with some notes, each with its own number by default."""
    count = len(notes)
    leads = pa.RecordBatch.from_pydict(
        {
            "id": [str(number) for number in range(count)],
            "mobile": mobiles or [f"98765{number:05d}" for number in range(count)],
            "note": notes,
        }
    )
    staged = folder / "screened.parquet"
    pq.write_table(screen(leads, SCREENING), staged)
    store = Store(str(folder / "store"))
    store.upload("staged.parquet", staged)
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        plan = ledger.plans.begin(sync="loans", partition_key="", run_id="run")
        limits = BatchLimits(file_format, 100, LIMIT, "enrolment_ref")
        plan_leads(plan, "staged.parquet", ledger=ledger, store=store, limits=limits, dedupe=None)
        return ledger.accounts.of_plan(plan.plan_id), ledger.batches.of_plan(plan.plan_id)


def refused(account: Account) -> dict[str, int]:
    return {each.reason: each.leads for each in account.counts if each.outcome == "invalid"}


def test_a_row_larger_than_a_csv_file_may_be_is_invalid_and_the_others_are_planned(
    tmp_path: Path,
) -> None:
    account, batches = planned(tmp_path, ["a", "x" * LIMIT, "b"], file_format="csv")
    assert refused(account) == {"invalid/too_large": 1}
    assert account.by_outcome() == {"invalid": 1, "planned": 2}
    assert sum(batch.row_count for batch in batches) == 2
    assert "batch.max_bytes" in REASONS["invalid/too_large"]


def test_quotes_count_twice_in_csv(tmp_path: Path) -> None:
    account, _ = planned(tmp_path, ['"' * 6_000, "x" * 6_000], file_format="csv")
    assert refused(account) == {"invalid/too_large": 1}


def test_no_file_is_larger_than_it_may_be_whatever_the_rows(tmp_path: Path) -> None:
    notes = ["x" * length for length in range(LIMIT - 200, LIMIT + 10)]
    account, batches = planned(tmp_path, notes, file_format="csv")
    sizes = [batch.file_bytes or 0 for batch in batches]
    assert LIMIT - 20 < max(sizes) <= LIMIT
    assert account.by_outcome()["planned"] == len(batches)
    assert refused(account)["invalid/too_large"] == len(notes) - len(batches)


def test_a_long_text_that_a_workbook_compresses_is_planned(tmp_path: Path) -> None:
    account, batches = planned(tmp_path, ["a", "x" * 30_000], file_format="xlsx")
    assert account.by_outcome() == {"planned": 2}
    assert max(batch.file_bytes or 0 for batch in batches) <= LIMIT


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_its_number_is_free_for_another_lead(tmp_path: Path, file_format: str) -> None:
    # No text compresses to less than its digits that never repeat.
    large = "".join(f"{number * 7919:x}" for number in range(9_000))[:32_000]
    notes, mobiles = [large, "short"], ["9876500001"] * 2
    account, _ = planned(tmp_path, notes, file_format=file_format, mobiles=mobiles)
    assert refused(account) == {"invalid/too_large": 1}
    assert account.by_outcome()["planned"] == 1
