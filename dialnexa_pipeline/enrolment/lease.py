"""Leases of senders and planners, kept alive by a heart-beat while they work."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

from dialnexa_pipeline.ledger import Ledger, LedgerUnavailable, Plan
from dialnexa_pipeline.settings import Settings


@cache
def lease_term() -> timedelta:
    """How long who sends or plans counts as alive; one term as long as the process lives.

    Raises:
        ConfigError: an environment variable has no meaning.
    """
    return Settings.from_environment().lease


@contextmanager
def sending_heartbeat(ledger: Ledger, owner: str, lease: timedelta) -> Generator[None]:
    """Renew a sender's leases on all that it is sending until the block ends."""

    def renew() -> bool:
        ledger.batches.renew_leases(owner=owner, lease=lease)
        return True

    with _beating(renew, lease):
        yield


@contextmanager
def planning_heartbeat(ledger: Ledger, plan: Plan, lease: timedelta) -> Generator[None]:
    """Renew a planner's lease on its open plan until the block ends."""
    with _beating(lambda: ledger.plans.renew_lease(plan, lease=lease), lease):
        yield


@contextmanager
def _beating(renew: Callable[[], bool], lease: timedelta) -> Generator[None]:
    """Renew three times per term, until the block ends or the lease is lost."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(lease.total_seconds() / 3):
            try:
                if not renew():
                    return
            except LedgerUnavailable:
                continue

    thread = threading.Thread(target=beat, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
