"""The schedule of a sync; with partitions each window that has ended is asked for once."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance, RunsFilter

from dialnexa_pipeline.components.windows import partitions_of
from dialnexa_pipeline.sync import SyncConfig

# Windows that one tick asks for at most: two days of hours, after a daemon was down.
CATCH_UP = 48
_PARTITION_TAG = "dagster/partition"
_SCHEDULE_TAG = "dagster/schedule_name"


def sync_schedule(config: SyncConfig, cron: str) -> dg.ScheduleDefinition:
    """Ticks of a cron in the sync's time zone.

    Of ticks that were missed Dagster evaluates the newest only. A run without partitions reads all
    that it missed anyway; with them, the tick asks for each window since the newest one that the
    schedule has asked for before.
    """
    name = f"{config.name}_schedule"
    partitions = partitions_of(config)

    def requests(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        if partitions is None:
            yield dg.RunRequest()
            return
        due = _due(context, partitions, name)
        if len(due) > CATCH_UP:
            context.log.warning(
                f"Windows that were missed: {len(due)}. The newest {CATCH_UP} are asked for; "
                f"backfill {due[0]} to {due[-CATCH_UP - 1]} yourself."
            )
        for key in due[-CATCH_UP:]:
            # Without a key of its own a request counts as the first one of its tick.
            yield dg.RunRequest(run_key=key, partition_key=key)

    return dg.ScheduleDefinition(
        name=name,
        job_name=config.name,
        cron_schedule=cron,
        execution_timezone=config.timezone,
        execution_fn=requests,
    )


def _due(
    context: dg.ScheduleEvaluationContext,
    partitions: dg.TimeWindowPartitionsDefinition,
    name: str,
) -> list[str]:
    """Keys of the windows to ask for, oldest first; the one that ended last is always among them.

    Not what ended before the schedule was switched on: somebody had switched it off.
    """
    last = partitions.get_prev_partition_window(context.scheduled_execution_time)
    if last is None:
        return []
    asked_for = _asked_for(context.instance, partitions, name)
    since = last.start if asked_for is None else min(asked_for, last.start)
    on_since = _switched_on(context.instance, name)
    due: list[str] = []
    window = last
    while window is not None and window.start >= since:
        is_missed = window.start > since and (on_since is None or window.end > on_since)
        if window == last or is_missed:
            due.append(partitions.get_partition_key_for_timestamp(window.start.timestamp()))
        window = partitions.get_prev_partition_window(window.start)
    return due[::-1]


def _asked_for(
    instance: DagsterInstance, partitions: dg.TimeWindowPartitionsDefinition, name: str
) -> datetime | None:
    """The start of the newest window that the schedule ever asked for."""
    runs = instance.get_runs(RunsFilter(tags={_SCHEDULE_TAG: name}), limit=CATCH_UP)
    known = [
        key
        for key in (run.tags.get(_PARTITION_TAG) for run in runs)
        if key is not None and partitions.has_partition_key(key)
    ]
    starts = [partitions.time_window_for_partition_key(key).start for key in known]
    return max(starts, default=None)


def _switched_on(instance: DagsterInstance, name: str) -> datetime | None:
    """When the schedule was switched on last, as far as the instance knows."""
    for state in instance.all_instigator_state():
        begun = getattr(state.instigator_data, "start_timestamp", None)
        if state.instigator_name == name and begun is not None:
            return datetime.fromtimestamp(begun, UTC)
    return None
