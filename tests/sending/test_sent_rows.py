"""The rows of a batch are read from the ledger for an answer that names leads, and then only."""

from pathlib import Path

import pyarrow as pa
import pytest

from dialnexa_pipeline.enrolment import sent_rows
from dialnexa_pipeline.enrolment.sent_rows import SentRows
from dialnexa_pipeline.ledger import Candidates, Ledger, LedgerUnavailable


def test_rows_are_counted_without_the_ledger_and_named_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_rows, "patiently", lambda read, batch_id: read(batch_id))
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        plan = ledger.plans.begin(sync="loans", partition_key="", run_id="run")
        phones = [919876543210, 919876543211]
        keys, raw = pa.array(["1", "2"]), pa.array(["a", "b"])
        candidates = Candidates("b1", "wf", 0, keys, raw, pa.array(phones))
        ledger.plans.claim(plan, [candidates], ref_column="enrolment_ref")
        (batch,) = ledger.batches.of_plan(plan.plan_id)
        named = SentRows(ledger, batch)
        assert list(named) == [f"+{phone}" for phone in phones]
        assert (named[1], named[:1]) == ("+919876543211", ["+919876543210"])
        assert named.refs == [f"{plan.plan_id}-0", f"{plan.plan_id}-1"]
        counted = SentRows(ledger, batch)
        with ledger.plans._database.transaction() as connection:
            connection.exec_driver_sql("ALTER TABLE claims RENAME TO gone")
        assert len(counted) == 2
        with pytest.raises(LedgerUnavailable):
            list(counted)
