"""The checks of a sync as its assets declare them: names, what each says, and what it holds up."""

import dagster as dg

ACTIVATED = "activated"
CONSERVATION = "conservation"
DESTINATIONS = "destinations"
KEYS_UNIQUE = "keys_unique"
MATCHES_LEDGER = "matches_ledger"
NOTHING_IN_DOUBT = "nothing_in_doubt"
REJECT_RATE = "reject_rate"
REQUIRED_VARIABLES = "required_variables"
VOLUME_GUARD = "volume_guard"
WORKFLOW_STATUS = "workflow_status"

_DESCRIPTIONS = {
    ACTIVATED: "The workflow is activated once its list shows every lead that was enrolled.",
    CONSERVATION: "Every source row has exactly one outcome; downstream waits for this.",
    DESTINATIONS: "The leads are in countries that DialNexa's Telephony Config enables.",
    KEYS_UNIQUE: "Each source row has a key of its own; nothing is planned before this passes.",
    MATCHES_LEDGER: "The record table counts the same rows as the ledger.",
    NOTHING_IN_DOUBT: "No batch of the sync waits for a sure answer.",
    REJECT_RATE: "The share of rows that screening refuses is what it is in the sync's other runs.",
    REQUIRED_VARIABLES: "No lead is refused because a required variable is blank.",
    VOLUME_GUARD: "The plan is within the sync's guard; nothing is sent before this passes.",
    WORKFLOW_STATUS: "Each workflow that leads are planned for exists and can call them.",
}
_BLOCKING = frozenset({CONSERVATION, KEYS_UNIQUE, VOLUME_GUARD})


def check_spec(name: str, asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """A check as the asset declares it."""
    return dg.AssetCheckSpec(
        name, asset=asset, description=_DESCRIPTIONS[name], blocking=name in _BLOCKING
    )
