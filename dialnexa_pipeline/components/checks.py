"""The checks of a sync: pure judgements that say what is wrong and what to do."""

from collections.abc import Sequence
from statistics import median

import dagster as dg

from dialnexa_pipeline.enrolment import Activation
from dialnexa_pipeline.ledger import Account, Batch, HeldPlan, Hold, approve_command
from dialnexa_pipeline.sync import SyncConfig

ACTIVATED = "activated"
CONSERVATION = "conservation"
NOTHING_IN_DOUBT = "nothing_in_doubt"
VOLUME_GUARD = "volume_guard"
# A share of fewer rows says nothing: one bad row of three is no broken export.
_DESCRIPTIONS = {
    ACTIVATED: "The workflow is activated once its list shows every lead that was enrolled.",
    CONSERVATION: "Every source row has exactly one outcome; downstream waits for this.",
    NOTHING_IN_DOUBT: "No batch of the sync waits for a sure answer.",
    VOLUME_GUARD: "The plan is within the sync's guard; nothing is sent before this passes.",
}
_BLOCKING = frozenset({CONSERVATION, VOLUME_GUARD})
_ROWS_FOR_A_RATE = 20


def check_spec(name: str, asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """A check as the asset declares it."""
    return dg.AssetCheckSpec(
        name, asset=asset, description=_DESCRIPTIONS[name], blocking=name in _BLOCKING
    )


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


def activated(activations: Sequence[Activation], owed: Sequence[str]) -> dg.AssetCheckResult:
    """Every workflow that was filled while it slept is active; an error when a person must act.

    Args:
        activations: what became of each workflow that was looked at just now.
        owed: workflows that still sleep, looked at or not.
    """
    said = [activation.said for activation in activations]
    looked_at = {activation.workflow_id for activation in activations}
    said += [
        f"Workflow {workflow_id} is not activated yet; the reconcile job verifies it."
        for workflow_id in owed
        if workflow_id not in looked_at
    ]
    needs_a_person = any(activation.needs_a_person for activation in activations)
    return dg.AssetCheckResult(
        passed=not owed,
        check_name=ACTIVATED,
        severity=(dg.AssetCheckSeverity.ERROR if needs_a_person else dg.AssetCheckSeverity.WARN),
        description=" ".join(said) or "No workflow waits to be activated.",
        metadata={"workflows": len(owed)},
    )


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
        and account.source_rows >= _ROWS_FOR_A_RATE
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
