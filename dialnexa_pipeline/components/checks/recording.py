"""Checks of the record tables: what people query is what the ledger knows."""

from collections.abc import Callable

import dagster as dg

from dialnexa_pipeline.components.checks.declared import MATCHES_LEDGER
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.records import Tally


def compared(tally: Callable[[], Tally], sync: str) -> dg.AssetCheckResult:
    """The check of a record table; a warning when it cannot be counted."""
    try:
        return matches_ledger(tally(), sync)
    except DialNexaError as error:
        return dg.AssetCheckResult(
            passed=False,
            check_name=MATCHES_LEDGER,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"The table could not be held against the ledger. {error}",
        )


def matches_ledger(tally: Tally, sync: str) -> dg.AssetCheckResult:
    """Both sides count the same, or another run is about to record what differs."""
    differing = tally.differing
    passed = not differing or tally.unrecorded > 0
    said = f"{tally.table} and the ledger count the same."
    if differing:
        counts = ", ".join(
            f"{name} {shown} instead of {meant}" for name, (meant, shown) in differing.items()
        )
        said = f"{tally.table} shows {counts}. "
        if passed:
            said += (
                f"{tally.unrecorded} changes of another run are not recorded yet; that run "
                "compares again."
            )
        else:
            said += (
                f"The ledger is right: `dialnexa records rebuild --sync {sync}` mends the table. "
                "Find out who else writes to it."
            )
    return dg.AssetCheckResult(
        passed=passed,
        check_name=MATCHES_LEDGER,
        description=said,
        metadata={
            "rows_ledger": sum(tally.ledger.values()),
            "rows_warehouse": sum(tally.warehouse.values()),
            "unrecorded_changes": tally.unrecorded,
        },
    )
