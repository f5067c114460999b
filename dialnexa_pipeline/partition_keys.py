"""Which partitions a sync has by now, as Dagster cuts time, without Dagster."""

from datetime import UTC, datetime, time, timedelta

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.sources import Window
from dialnexa_pipeline.sync import PartitionsConfig, SyncConfig

_EACH = {"hour": "hour", "day": "day", "week": "week from Sunday on", "month": "calendar month"}


def newest_partition(config: SyncConfig, now: datetime | None = None) -> str | None:
    """The key of the partition that ended last; None when none has, or the sync has none."""
    if config.partitions is None:
        return None
    every = config.partitions.every
    local = (now or datetime.now(UTC)).astimezone(config.zone)
    if every == "hour":
        begun = (local.astimezone(UTC) - timedelta(hours=1)).astimezone(config.zone)
        return f"{begun:%Y-%m-%d-%H}:00" if begun.date() >= config.partitions.start else None
    day = config.partitions.first_day(local.date()) - timedelta(days=1)
    begin = config.partitions.first_day(day)
    return f"{begin:%Y-%m-%d}" if begin >= config.partitions.start else None


def refuse_missing(config: SyncConfig, partition: str, window: Window) -> None:
    """Refuse a key, or a range of keys, of which Dagster has no partition.

    Args:
        window: what the key is read as, look-back included.

    Raises:
        ConfigError: a partition begins another day, lies before the first one, or has not ended.
    """
    partitions = config.partitions
    assert partitions is not None
    begin = (window.start.astimezone(UTC) + partitions.look_back).astimezone(config.zone)
    exists = (
        begin.date() >= partitions.start
        and _is_cut(begin, partitions)
        and _is_cut(window.end, partitions)
        and window.end <= datetime.now(UTC)
    )
    if not exists:
        newest = newest_partition(config)
        known = f"the newest that has ended is {newest}" if newest else "none has ended yet"
        raise ConfigError(
            f"Sync {config.name!r} has no partition {partition!r}: it has one each "
            f"{_EACH[partitions.every]}, the first from {partitions.start} on, and {known}."
        )


def _is_cut(moment: datetime, partitions: PartitionsConfig) -> bool:
    """Whether a partition begins, and so another one ends, at a moment."""
    if partitions.every == "hour":
        return moment.minute == 0
    return moment.time() == time() and partitions.first_day(moment.date()) == moment.date()
