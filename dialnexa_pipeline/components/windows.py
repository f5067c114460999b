"""From the partitions of a run in Dagster to the window of the source it reads."""

import dagster as dg

from dialnexa_pipeline.partitioning import range_key, with_look_back
from dialnexa_pipeline.sources import Window
from dialnexa_pipeline.sync import SyncConfig

_DEFINITIONS = {
    "hour": dg.HourlyPartitionsDefinition,
    "day": dg.DailyPartitionsDefinition,
    "week": dg.WeeklyPartitionsDefinition,
    "month": dg.MonthlyPartitionsDefinition,
}


def partitions_of(config: SyncConfig) -> dg.TimeWindowPartitionsDefinition | None:
    """The sync's partitions, in its time zone; None when it has none."""
    if config.partitions is None:
        return None
    start = config.partitions.start
    text = f"{start:%Y-%m-%d}-00:00" if config.partitions.every == "hour" else f"{start:%Y-%m-%d}"
    return _DEFINITIONS[config.partitions.every](start_date=text, timezone=config.timezone)


def backfill_policy_of(config: SyncConfig) -> dg.BackfillPolicy | None:
    """How many partitions one run of a backfill reads; None when the sync has none."""
    if config.partitions is None:
        return None
    match config.partitions.backfill:
        case "single_run":
            return dg.BackfillPolicy.single_run()
        case "per_partition":
            return dg.BackfillPolicy.multi_run(1)
        case int(partitions):
            return dg.BackfillPolicy.multi_run(partitions)


def partition_key_of(context: dg.AssetExecutionContext) -> str:
    """The partition or range of this run as the ledger knows it; empty without partitions."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return ""
    keys = context.partition_key_range
    return range_key(keys.start, keys.end)


def window_of(context: dg.AssetExecutionContext, config: SyncConfig) -> Window | None:
    """The half-open window of `updated_at` that this run reads; None for everything.

    It begins the sync's `look_back` earlier than the partition does.
    """
    if config.partitions is None or not partition_key_of(context):
        return None
    window = context.partition_time_window
    return with_look_back(config, Window(window.start, window.end))
