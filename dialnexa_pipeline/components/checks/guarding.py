"""Checks of a plan's size: the guard that holds it, and the share of refused rows."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

import dagster as dg

from dialnexa_pipeline.components.checks.declared import REJECT_RATE, VOLUME_GUARD
from dialnexa_pipeline.ledger import Account, HeldPlan, Hold, RefusedShare, approve_command
from dialnexa_pipeline.sync import ChecksConfig, SyncConfig

# A share of fewer rows says nothing: one bad row of three is no broken export.
ROWS_FOR_A_RATE = 20


def volume_guard(config: SyncConfig, account: Account, recent: Sequence[int]) -> Hold | None:
    """What of the sync's guard a whole plan breaks; None when it keeps within all of it.

    Args:
        recent: leads sent by earlier runs, newest first.
    """
    guard = config.guard
    planned = _to_send(account)
    invalid = account.by_outcome().get("invalid", 0)
    broken: dict[str, str] = {}
    if guard.max_leads is not None and planned > guard.max_leads:
        broken["guard.max_leads"] = (
            f"{planned} leads are planned, more than guard.max_leads = {guard.max_leads}."
        )
    if guard.max_growth is not None and recent and planned > guard.max_growth * median(recent):
        broken["guard.max_growth"] = (
            f"{planned} leads are planned, more than guard.max_growth = {guard.max_growth} times "
            f"the median of recent runs ({median(recent):.0f})."
        )
    if (
        guard.max_reject_rate is not None
        and account.source_rows >= ROWS_FOR_A_RATE
        and invalid > guard.max_reject_rate * account.source_rows
    ):
        broken["guard.max_reject_rate"] = (
            f"{invalid} of {account.source_rows} rows are invalid, a share of "
            f"{invalid / account.source_rows:.2f}, more than guard.max_reject_rate = "
            f"{guard.max_reject_rate}."
        )
    if not broken:
        return None
    command = approve_command(config.name, account.plan.partition_key)
    said = f"{' '.join(broken.values())} Nothing was sent. To approve it once: {command}"
    return Hold(tuple(broken), said)


def guard_kept(account: Account, held: HeldPlan | None) -> dg.AssetCheckResult:
    """The plan keeps within the sync's guard, or somebody approved it."""
    said = f"{_to_send(account)} leads are planned, within the guard."
    if held is not None:
        said = held.hold.why
        if held.approval is not None:
            said = f"Approved by {held.approval.who}: {held.approval.why}. It had held: {said}"
    return dg.AssetCheckResult(
        passed=held is None or held.approval is not None,
        check_name=VOLUME_GUARD,
        description=said,
        metadata={
            "planned": _to_send(account),
            "invalid": account.by_outcome().get("invalid", 0),
            "source_rows": account.source_rows,
        },
    )


def _to_send(account: Account) -> int:
    """Leads of this very plan; those that another run planned are not sent by it."""
    return sum(count.leads for count in account.counts if count.reason == "planned/not_sent")


def reject_rate(
    account: Account, earlier: Sequence[RefusedShare], config: ChecksConfig
) -> dg.AssetCheckResult:
    """The share of refused rows is no more than some times the median of earlier runs.

    Args:
        earlier: of runs with at least `ROWS_FOR_A_RATE` source rows.
    """
    now = RefusedShare(account.source_rows, account.by_outcome().get("invalid", 0))
    usual = median(each.rate for each in earlier) if earlier else None
    growth = config.max_reject_growth
    passed = (
        usual is None
        or growth is None
        or now.source_rows < ROWS_FOR_A_RATE
        or now.refused < config.min_rejected
        or now.rate <= growth * usual
    )
    said = f"{now.refused} of {now.source_rows} rows are refused ({now.rate:.1%})"
    said += "; there is no earlier run to compare." if usual is None else f", usually {usual:.1%}."
    if not passed:
        reason, leads = _most_frequent(account)
        said += (
            f" That is more than checks.max_reject_growth = {growth} times the usual share. Look "
            f"at the rows with {reason} ({leads}) in dialnexa_rejected_rows and at the source's "
            "last load; set guard.max_reject_rate to hold such a plan."
        )
    return dg.AssetCheckResult(
        passed=passed,
        check_name=REJECT_RATE,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "reject_rate": now.rate,
            "usual_reject_rate": usual if usual is not None else 0.0,
            "invalid": now.refused,
            "source_rows": now.source_rows,
            "runs_compared": len(earlier),
        },
    )


def _most_frequent(account: Account) -> tuple[str, int]:
    """The reason that refuses most rows, and how many."""
    leads: Counter[str] = Counter()
    for count in account.counts:
        if count.outcome == "invalid":
            leads[count.reason] += count.leads
    return leads.most_common(1)[0]
