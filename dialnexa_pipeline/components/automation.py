"""Automation of a sync: it starts once its source was updated, whole and in one run."""

from typing import Any

import dagster as dg

from dialnexa_pipeline.sync import SyncConfig

_LAST = ("enrolment_counts", "rejected_rows")


def condition_of(config: SyncConfig, asset: str) -> dg.AutomationCondition[Any] | None:
    """When Dagster asks for an asset of the sync by itself; None when it never does.

    Only `screened_leads` looks at the source. The others are asked for with it and at no other
    time: somebody who materialises `lead_batches` to look at them has not approved anything.
    """
    if config.automation is None:
        return None
    if asset != "screened_leads":
        return dg.AutomationCondition.any_deps_match(
            dg.AutomationCondition.will_be_requested()
        ).with_label("with screened_leads")
    updated = dg.AutomationCondition.any_deps_updated().since(
        dg.AutomationCondition.newly_requested() | dg.AutomationCondition.initial_evaluation()
    )
    condition = (
        updated
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.any_deps_in_progress()
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
        & ~dg.AutomationCondition.in_progress()
    )
    for last in _LAST:
        condition &= ~dg.AutomationCondition.asset_matches(
            dg.AssetKey([config.name, last]), dg.AutomationCondition.in_progress()
        )
    if config.partitions is not None:
        condition &= dg.AutomationCondition.in_latest_time_window()
    return condition.with_label("the source was updated")


def automation_sensor(
    config: SyncConfig, assets: list[dg.AssetsDefinition], tags: dict[str, str]
) -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions; its runs carry the sync's tag, so that they queue."""
    return dg.AutomationConditionSensorDefinition(
        f"{config.name}_automation",
        target=dg.AssetSelection.assets(*assets),
        run_tags=tags,
        description=f"Starts the sync `{config.name}` when its source was updated.",
    )
