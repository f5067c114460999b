"""The window of a partition, as Dagster cuts time, without Dagster."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.sources import Window
from dialnexa_pipeline.sync import PartitionsConfig, SyncConfig

_FORMATS = {"hour": "%Y-%m-%d-%H:%M", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m-%d"}


# Between the first and the last partition of a range that one run reads.
_TO = "..."


def range_key(first: str, last: str) -> str:
    """The ledger's partition key of a run that reads the partitions from first to last."""
    return first if first == last else f"{first}{_TO}{last}"


def window_of_partition(config: SyncConfig, partition: str) -> Window | None:
    """The half-open window of `updated_at` that a run of a partition reads; None for `""`: all.

    Args:
        partition: its key, or a range such as `2026-01-01...2026-01-31`.

    Raises:
        ConfigError: the sync has no partitions, or the key is none of its kind.
    """
    if not partition:
        return None
    if config.partitions is None:
        raise ConfigError(f"Sync {config.name!r} has no partitions; leave --partition out.")
    span = _span(config, config.partitions, partition)
    if span is None:
        every, start = config.partitions.every, config.partitions.start
        raise ConfigError(
            f"{partition!r} is no partition of sync {config.name!r}, which has one every {every}; "
            f"write for example {start:{_FORMATS[every]}}, or first{_TO}last for a range."
        )
    return with_look_back(config, span)


def with_look_back(config: SyncConfig, window: Window) -> Window:
    """The window that is read for a partition's, with bounds in the sync's own zone."""
    look_back = config.partitions.look_back if config.partitions is not None else timedelta(0)
    # Subtracted from a clock that is put forward, an hour of look-back would be none.
    start = window.start.astimezone(UTC) - look_back
    return Window(start.astimezone(config.zone), window.end.astimezone(config.zone))


def covers(config: SyncConfig, partition: str, other: str) -> bool:
    """Whether a run of a partition or range reads all that a run of another one does."""
    whole, part = _spans(config, partition, other)
    return (
        whole is not None
        and part is not None
        and whole.start <= part.start
        and part.end <= whole.end
    )


def overlaps(config: SyncConfig, partition: str, other: str) -> bool:
    """Whether two partitions or ranges have a moment in common, look-back apart."""
    one, two = _spans(config, partition, other)
    return one is not None and two is not None and one.start < two.end and two.start < one.end


def _spans(config: SyncConfig, one: str, two: str) -> tuple[Window | None, Window | None]:
    """None for keys of before the sync's partitions were cut anew."""
    if config.partitions is None:
        return None, None
    cut = config.partitions
    return _span(config, cut, one), _span(config, cut, two)


def _span(config: SyncConfig, cut: PartitionsConfig, partition: str) -> Window | None:
    """From the first moment to the last in UTC, which moments of one zone need to be compared."""
    first, is_range, last = partition.partition(_TO)
    start = _start(config, cut, first)
    end = _start(config, cut, last) if is_range else start
    if start is None or end is None:
        return None
    try:
        begin = start.astimezone(UTC)
        return Window(begin, _end(end, cut.every)) if begin <= end.astimezone(UTC) else None
    except (ValueError, OverflowError):
        # A day that the next month, or any calendar, does not have.
        return None


def _start(config: SyncConfig, cut: PartitionsConfig, key: str) -> datetime | None:
    with suppress(ValueError):
        start = datetime.strptime(key, _FORMATS[cut.every]).replace(tzinfo=config.zone)
        return start if cut.first_day(start.date()) == start.date() else None
    if cut.every == "hour":
        with suppress(ValueError):
            # Dagster names the hour that a clock repeats by its offset: `2025-11-02-01:00-0500`.
            told = datetime.strptime(key, f"{_FORMATS[cut.every]}%z")
            start = told.astimezone(config.zone)
            return start if start.utcoffset() == told.utcoffset() else None
    return None


def _end(start: datetime, every: str) -> datetime:
    if every == "hour":
        return start.astimezone(UTC) + timedelta(hours=1)
    if every == "month":
        months = start.year * 12 + start.month
        return start.replace(year=months // 12, month=months % 12 + 1).astimezone(UTC)
    # A day of the zone's calendar, which clock changes make shorter or longer.
    return (start + timedelta(days=7 if every == "week" else 1)).astimezone(UTC)
