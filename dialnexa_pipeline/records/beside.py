"""The record tables follow the ledger while batches are still being sent."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.records.following import record_enrolments, record_rejected_rows

# A transaction of the warehouse for fewer batches is not worth its commit.
BATCHES = 10
# The question looks at every change of the sync, so it is put less often when little is settled.
_PAUSE_SECONDS = (0.1, 5.0)


@contextmanager
def recording_beside(ledger: Ledger, warehouse_url: str, sync: str) -> Generator[None]:
    """While the block sends, write in another thread who was refused before and what is settled.

    Sending never waits for it. It stops when the warehouse or the ledger refuses: whoever records
    after the block writes the rest, and meets what was wrong.
    """
    ends = threading.Event()

    def follow() -> None:
        shortest, longest = _PAUSE_SECONDS
        pause = shortest
        refused_are_written = False
        while not ends.wait(pause):
            pause = min(2 * pause, longest)
            try:
                if len(ledger.accounts.pending(sync, "enrolments").batch_ids) < BATCHES:
                    continue
                if not refused_are_written:
                    record_rejected_rows(ledger, warehouse_url, sync)
                    refused_are_written = True
                record_enrolments(ledger, warehouse_url, sync)
                pause = shortest
            except Exception:
                # A thread prints what it dies of, and a driver's error may quote a lead.
                return

    thread = threading.Thread(target=follow, name="recording", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
