"""The checks of a sync: pure judgements that say what is wrong and what to do."""

from collections.abc import Sequence
from statistics import median

import dagster as dg

from dialnexa_pipeline.ledger import Account, Batch
from dialnexa_pipeline.sync import SyncConfig

CONSERVATION = "conservation"
NOTHING_IN_DOUBT = "nothing_in_doubt"
VOLUME_GUARD = "volume_guard"


def conservation(account: Account) -> dg.AssetCheckResult:
    """Source rows equal the sum over outcomes (docs/design.md, invariant 4)."""
    passed = account.is_conserved
    said = (
        "Every source row has exactly one outcome."
        if passed
        else (
            f"{account.source_rows} source rows, but {account.accounted_rows} outcomes. Do not "
            "run downstream models; run `dialnexa doctor` and report this as a defect."
        )
    )
    return dg.AssetCheckResult(
        passed=passed,
        check_name=CONSERVATION,
        description=said,
        metadata={
            "source_rows": account.source_rows,
            "accounted_rows": account.accounted_rows,
            **{f"leads/{name}": leads for name, leads in account.by_outcome().items()},
        },
    )


def nothing_in_doubt(batches: Sequence[Batch]) -> dg.AssetCheckResult:
    """No batch of the sync waits for an answer; a warning when some do."""
    leads = sum(batch.row_count for batch in batches)
    said = (
        "No batch is in doubt."
        if not batches
        else (
            f"{len(batches)} batches with {leads} leads have no sure answer. They are not sent "
            "again; `dialnexa reconcile`, or the next run, settles them."
        )
    )
    return dg.AssetCheckResult(
        passed=not batches,
        check_name=NOTHING_IN_DOUBT,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"batches": len(batches), "leads": leads},
    )


def volume_guard(
    config: SyncConfig, account: Account, recent: Sequence[int]
) -> dg.AssetCheckResult:
    """The plan is not larger than the sync's guard allows.

    Args:
        recent: leads planned by earlier runs that sent something, newest first.
    """
    planned = account.by_outcome().get("planned", 0)
    cap, growth = config.guard.max_leads, config.guard.max_growth
    said = f"{planned} leads are planned, within the guard."
    passed = True
    if cap is not None and planned > cap:
        passed = False
        said = (
            f"{planned} leads are planned, more than guard.max_leads = {cap}. Nothing was sent. "
            f"If this is right, raise guard.max_leads of sync {config.name!r} and run it again."
        )
    elif growth is not None and recent and planned > growth * median(recent):
        passed = False
        said = (
            f"{planned} leads are planned, more than guard.max_growth = {growth} times the median "
            f"of recent runs ({median(recent):.0f}). Nothing was sent. If this is right, raise "
            f"guard.max_growth of sync {config.name!r} and run it again."
        )
    return dg.AssetCheckResult(
        passed=passed,
        check_name=VOLUME_GUARD,
        description=said,
        metadata={"planned": planned, "recent_runs": len(recent)},
    )
