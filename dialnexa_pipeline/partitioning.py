"""The window of a partition, as Dagster cuts time, without Dagster."""

from datetime import UTC, datetime, timedelta

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.sources import Window
from dialnexa_pipeline.sync import SyncConfig

_FORMATS = {"hour": "%Y-%m-%d-%H:%M", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m-%d"}


def window_of_partition(config: SyncConfig, partition: str) -> Window | None:
    """The half-open window of `updated_at` that a run of a partition reads; None for `""`: all.

    Raises:
        ConfigError: the sync has no partitions, or the key is none of its kind.
    """
    if not partition:
        return None
    if config.partitions is None:
        raise ConfigError(f"Sync {config.name!r} has no partitions; leave --partition out.")
    every = config.partitions.every
    try:
        start = datetime.strptime(partition, _FORMATS[every]).replace(tzinfo=config.zone)
    except ValueError:
        raise ConfigError(
            f"{partition!r} is no partition of sync {config.name!r}, which has one every {every}; "
            f"write for example {config.partitions.start:{_FORMATS[every]}}."
        ) from None
    return Window(start - config.partitions.look_back, _end(start, every))


def _end(start: datetime, every: str) -> datetime:
    if every == "hour":
        return (start.astimezone(UTC) + timedelta(hours=1)).astimezone(start.tzinfo)
    if every == "month":
        months = start.year * 12 + start.month
        return start.replace(year=months // 12, month=months % 12 + 1)
    # A day of the zone's calendar, which clock changes make shorter or longer.
    return start + timedelta(days=7 if every == "week" else 1)
