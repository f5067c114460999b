"""Calls the ledger again while it is away."""

import stamina

from dialnexa_pipeline.ledger import LedgerUnavailable

# A PostgreSQL that restarts is back within a minute.
patiently = stamina.RetryingCaller(attempts=None, timeout=60.0, wait_initial=0.1, wait_max=5.0).on(
    LedgerUnavailable
)
