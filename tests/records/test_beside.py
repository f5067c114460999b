"""Enrolled and refused leads are in the warehouse before the last batch is sent."""

import threading
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest

from dialnexa_pipeline.ledger import Ledger, RecordTable, RefusedRow
from dialnexa_pipeline.records import open_records, record_enrolments, recording_beside
from dialnexa_pipeline.records.beside import BATCHES
from tests.ledger.candidates import claim
from tests.ledger.refused import refused_table
from tests.ledger.steps import on_disk

LEASE = timedelta(minutes=1)
PATIENCE = 30.0
REFUSED = RefusedRow("wf", "k9", "invalid", "invalid/blank", None, "", None)


@pytest.fixture
def ledger(sqlite_ledger_url: str) -> Generator[Ledger]:
    with Ledger(sqlite_ledger_url) as opened:
        yield opened


def enrol(ledger: Ledger, batches: int) -> None:
    """A plan that refuses a lead, and whose batches of one lead each are enrolled."""
    plan = ledger.plans.begin(sync="loans", partition_key="", run_id="r")
    ledger.plans.refuse(plan, refused_table([REFUSED]), [])
    for number in range(batches):
        claim(ledger, plan, [number], f"b{number}")
        on_disk(ledger, f"b{number}")
    ledger.plans.make_ready(plan, source_rows=batches, phone_metadata="9")
    for number in range(batches):
        ledger.batches.start_sending(f"b{number}", owner="me", run_id="r", lease=LEASE)
        ledger.batches.settle_enrolled(f"b{number}", owner="me", lead_ids={})


def pending(ledger: Ledger, table: RecordTable) -> int:
    return len(ledger.accounts.pending("loans", table).change_ids)


def test_who_is_settled_or_refused_is_recorded_while_the_rest_is_sent(
    ledger: Ledger, tmp_path: Path
) -> None:
    url = f"duckdb:///{tmp_path / 'w.duckdb'}"
    deadline = time.monotonic() + PATIENCE
    with recording_beside(ledger, url, "loans"):
        enrol(ledger, BATCHES)
        while pending(ledger, "enrolments"):
            assert time.monotonic() < deadline
            time.sleep(0.1)

    assert record_enrolments(ledger, url, "loans") == 0
    with open_records(url) as records:
        (rejected,) = records.read("dialnexa_rejected_rows", "loans")
    assert rejected["lead_key"].to_pylist() == [REFUSED.lead_key]


def test_a_warehouse_that_refuses_stops_nobody_and_loses_nothing(
    ledger: Ledger, tmp_path: Path
) -> None:
    refuses = tmp_path / "a folder, not a file"
    refuses.mkdir()
    with recording_beside(ledger, f"duckdb:///{refuses}", "loans"):
        enrol(ledger, BATCHES)
        time.sleep(1.0)

    assert record_enrolments(ledger, f"duckdb:///{tmp_path / 'w.duckdb'}", "loans") == BATCHES


def test_what_a_driver_says_of_a_lead_is_printed_nowhere(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quotes_a_lead(*_arguments: object) -> int:
        raise RuntimeError("COPY, line 1: +919800000007")

    printed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    monkeypatch.setattr("dialnexa_pipeline.records.beside.record_rejected_rows", quotes_a_lead)
    with recording_beside(ledger, "duckdb:///never-made.duckdb", "loans"):
        enrol(ledger, BATCHES)
        time.sleep(1.0)
    assert printed == []
