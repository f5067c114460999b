"""Earlier runs are looked for in a bounded part of the staged leads."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dialnexa_pipeline.enrolment import earlier_runs
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.store import Store
from tests.ledger.steps import sending

PHONE = 919800000000


def staged(folder: Path, rows: int) -> str:
    """Leads of workflow `wf`; every other row is refused."""
    pq.write_table(
        pa.table(
            {
                "lead_key": [f"k{n // 2}" for n in range(rows)],
                "workflow_id": ["wf"] * rows,
                "phone_key": pa.array([PHONE + n // 2 for n in range(rows)], pa.int64()),
                "outcome": pa.array(["invalid" if n % 2 else None for n in range(rows)]),
            }
        ),
        folder / "staged.parquet",
    )
    return "staged.parquet"


def test_all_leads_are_found_or_as_many_as_may_be_looked_at(
    tmp_path: Path, sqlite_ledger_url: str
) -> None:
    store, path = Store(str(tmp_path)), staged(tmp_path, rows=40)
    with Ledger(sqlite_ledger_url) as ledger:
        sending(ledger)
        ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
        every = earlier_runs(ledger, store, path, sync="a", wanted=10)
        assert (every.leads, every.looked_at) == ({"r1": 10}, 20)
        few = earlier_runs(ledger, store, path, sync="a", wanted=10, look_at=4)
        assert (few.leads, few.looked_at) == ({"r1": 4}, 4)


def test_no_more_is_read_once_all_are_found(tmp_path: Path, sqlite_ledger_url: str) -> None:
    store, path = Store(str(tmp_path)), staged(tmp_path, rows=20_000)
    with Ledger(sqlite_ledger_url) as ledger:
        sending(ledger)
        ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
        assert earlier_runs(ledger, store, path, sync="a", wanted=10).looked_at < 10_000
