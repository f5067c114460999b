"""Checks of what was sent: every row accounted for, no doubt left, workflows awake."""

from collections.abc import Sequence

import dagster as dg

from dialnexa_pipeline.components.checks.declared import (
    ACTIVATED,
    CONSERVATION,
    NOTHING_IN_DOUBT,
)
from dialnexa_pipeline.enrolment import Activation
from dialnexa_pipeline.ledger import Account, Batch


def conservation(account: Account) -> dg.AssetCheckResult:
    """Source rows equal the sum over outcomes (docs/design.md, invariant 4)."""
    passed = account.is_conserved
    said = (
        "Every source row has exactly one outcome."
        if passed
        else (
            f"{account.source_rows} source rows, but {account.accounted_rows} outcomes. Do not "
            "run downstream models; `dialnexa records compare` shows where, and this is a defect: "
            "please report it."
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
    held = sum(batch.is_held for batch in batches)
    said = (
        "No batch is in doubt."
        if not batches
        else (
            f"No sure answer to {_batches(len(batches))} with {leads} leads. They are not sent "
            "again; the sync's reconcile sensor, `dialnexa reconcile` or the next run settles them."
        )
    )
    if held:
        said += (
            f" Held for a person: {_batches(held)}, since DialNexa's lists lack the rows and the "
            f"sync says in_doubt: hold. `dialnexa reconcile --sync {batches[0].sync} --release` "
            "lets the next run send them."
        )
    return dg.AssetCheckResult(
        passed=not batches,
        check_name=NOTHING_IN_DOUBT,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"batches": len(batches), "leads": leads},
    )


def _batches(number: int) -> str:
    return f"{number} batch{'es' if number != 1 else ''}"


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
