"""How old the last sending of a sync may be, as Dagster's freshness policy."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from dialnexa_pipeline.sync import SyncConfig

# A scheduled run may take so long before its sync is overdue.
_GRACE = timedelta(hours=2)
# Enough ticks to meet the longest gap of a schedule, a year of days included.
_TICKS = 400
_FROM = "2024-01-01"


def freshness_of(config: SyncConfig) -> dg.FreshnessPolicy | None:
    """The sync's own `freshness`, or what its schedule promises; None when it promises nothing.

    Not `FreshnessPolicy.cron`: its window is no longer than the shortest gap between two ticks, so
    a schedule on weekdays would be overdue every Monday.
    """
    if config.freshness == "off":
        return None
    if config.freshness is not None:
        return dg.FreshnessPolicy.time_window(fail_window=config.freshness)
    if config.schedule is None:
        return None
    gap = _longest_gap(config.schedule, config.timezone)
    return dg.FreshnessPolicy.time_window(fail_window=gap + _GRACE) if gap is not None else None


def _longest_gap(cron: str, timezone: str) -> timedelta | None:
    """The longest time between two ticks in a row; None when they are years apart."""
    ticks = dg.TimeWindowPartitionsDefinition(
        start=_FROM, fmt="%Y-%m-%d", cron_schedule=cron, timezone=timezone
    )
    window = ticks.get_first_partition_window()
    gaps: list[timedelta] = []
    while window is not None and len(gaps) < _TICKS:
        gaps.append(_real(window.end) - _real(window.start))
        window = ticks.get_next_partition_window(window.end, respect_bounds=False)
    return max(gaps, default=None)


def _real(moment: datetime) -> datetime:
    """In UTC, since a difference of local times ignores that clocks are set."""
    return moment.astimezone(UTC)
