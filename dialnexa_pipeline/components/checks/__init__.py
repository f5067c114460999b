"""The checks of a sync: pure judgements that say what is wrong and what to do."""

from dialnexa_pipeline.components.checks.declared import (
    ACTIVATED,
    CONSERVATION,
    DESTINATIONS,
    KEYS_UNIQUE,
    MATCHES_LEDGER,
    NOTHING_IN_DOUBT,
    REJECT_RATE,
    REQUIRED_VARIABLES,
    VOLUME_GUARD,
    WORKFLOW_STATUS,
    check_spec,
)
from dialnexa_pipeline.components.checks.guarding import (
    ROWS_FOR_A_RATE,
    guard_kept,
    reject_rate,
    volume_guard,
)
from dialnexa_pipeline.components.checks.preflight import (
    destinations_enabled,
    destinations_unknown,
    workflow_status,
)
from dialnexa_pipeline.components.checks.recording import compared, matches_ledger
from dialnexa_pipeline.components.checks.screening import keys_unique, required_variables
from dialnexa_pipeline.components.checks.sending import activated, conservation, nothing_in_doubt

__all__ = [
    "ACTIVATED",
    "CONSERVATION",
    "DESTINATIONS",
    "KEYS_UNIQUE",
    "MATCHES_LEDGER",
    "NOTHING_IN_DOUBT",
    "REJECT_RATE",
    "REQUIRED_VARIABLES",
    "ROWS_FOR_A_RATE",
    "VOLUME_GUARD",
    "WORKFLOW_STATUS",
    "activated",
    "check_spec",
    "compared",
    "conservation",
    "destinations_enabled",
    "destinations_unknown",
    "guard_kept",
    "keys_unique",
    "matches_ledger",
    "nothing_in_doubt",
    "reject_rate",
    "required_variables",
    "volume_guard",
    "workflow_status",
]
