"""A sender's lease on a batch, kept alive by a heart-beat while the request is under way."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from dialnexa_pipeline.ledger import Ledger, LedgerUnavailable

LEASE = timedelta(seconds=60)


@contextmanager
def heartbeat(
    ledger: Ledger, batch_id: str, owner: str, lease: timedelta = LEASE
) -> Generator[None]:
    """Renew the lease three times per term until the block ends."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(lease.total_seconds() / 3):
            try:
                if not ledger.batches.renew_lease(batch_id, owner=owner, lease=lease):
                    return
            except LedgerUnavailable:
                continue

    thread = threading.Thread(target=beat, name=f"lease-{batch_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
