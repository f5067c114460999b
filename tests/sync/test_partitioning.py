"""Which windows lie in which, for partitions and ranges of them."""

import pytest
from pydantic import ValidationError

from dialnexa_pipeline.components.windows import partitions_of
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.partitioning import covers, overlaps, range_key, window_of_partition
from dialnexa_pipeline.sync import SyncConfig

YEAR = "2026-01-01...2026-12-31"


def sync(
    every: str = "day",
    start: str = "2026-01-01",
    zone: str = "Europe/Berlin",
    look_back: str = "2d",
) -> SyncConfig:
    return SyncConfig.model_validate(
        {
            "name": "loans",
            "source": {"table": "leads", "key": "id", "phone": "mobile", "updated_at": "u"},
            "workflow": "wf",
            "timezone": zone,
            "partitions": {"every": every, "start": start, "look_back": look_back},
        }
    )


@pytest.mark.parametrize(
    ("one", "other", "is_covered", "shares"),
    [
        (YEAR, "2026-01-01", True, True),
        (YEAR, "2026-12-31", True, True),
        (YEAR, YEAR, True, True),
        ("2026-01-01", YEAR, False, True),
        (YEAR, "2026-12-31...2027-01-01", False, True),
        (YEAR, "2027-01-01", False, False),
        # Look-back is no reason to take over a neighbour's leads.
        ("2026-01-02", "2026-01-01", False, False),
        # Keys of before the sync was cut anew.
        (YEAR, "2026-01-01-09:00", False, False),
        (YEAR, "", False, False),
    ],
)
def test_windows_cover_and_overlap(one: str, other: str, is_covered: bool, shares: bool) -> None:
    assert covers(sync(), one, other) == is_covered
    assert overlaps(sync(), one, other) == shares


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("America/New_York", "2025-11-01"),
        ("America/New_York", "2025-03-08"),
        ("America/Havana", "2025-11-01"),
        ("America/Santiago", "2025-09-06"),
        ("Australia/Lord_Howe", "2025-04-05"),
        ("Asia/Kolkata", "2025-11-01"),
    ],
)
@pytest.mark.parametrize("every", ["hour", "day"])
def test_keys_mean_what_they_mean_to_dagster(every: str, zone: str, start: str) -> None:
    config = sync(every, start, zone, look_back="0d")
    partitions = partitions_of(config)
    assert partitions is not None
    for key in partitions.get_partition_keys()[:80]:
        theirs = partitions.time_window_for_partition_key(key)
        ours = window_of_partition(config, key)
        assert ours is not None
        assert ours.start.timestamp() == theirs.start.timestamp()
        assert ours.end.timestamp() == theirs.end.timestamp()
        assert covers(config, key, key)


@pytest.mark.parametrize("every", ["week", "month"])
def test_a_day_amid_a_window_is_no_key(every: str) -> None:
    config = sync(every, "2026-02-01")
    assert window_of_partition(config, "2026-03-01") is not None
    for key in ("2026-03-31", "2026-03-01...2026-03-31"):
        with pytest.raises(ConfigError, match="is no partition"):
            window_of_partition(config, key)


def test_the_hour_that_a_clock_repeats_is_two_partitions() -> None:
    config = sync("hour", "2025-11-01", "America/New_York")
    first, again, following = "2025-11-02-01:00", "2025-11-02-01:00-0500", "2025-11-02-02:00"
    assert not overlaps(config, first, again)
    assert not overlaps(config, again, following)
    assert covers(config, range_key(first, following), again)
    for none in ("2025-11-02-01:00-0600", range_key(again, first)):
        with pytest.raises(ConfigError, match="is no partition"):
            window_of_partition(config, none)


@pytest.mark.parametrize("day", ["2025-03-09", "2025-11-02"])
def test_a_look_back_is_as_long_on_the_day_that_a_clock_is_set(day: str) -> None:
    config = sync("hour", day, "America/New_York", look_back="2h")
    for hour in range(1, 24):
        window = window_of_partition(config, f"{day}-{hour:02}:00")
        assert window is not None
        assert window.end.timestamp() - window.start.timestamp() == 3 * 3600


def test_a_range_ends_with_its_last_window() -> None:
    assert covers(sync("month"), "2026-01-01...2026-03-01", "2026-03-01")
    hours = "2026-03-29-00:00...2026-03-29-03:00"
    assert covers(sync("hour"), hours, "2026-03-29-03:00")
    assert not covers(sync("hour"), hours, "2026-03-29-04:00")


@pytest.mark.parametrize(
    ("every", "start", "nearest"),
    [
        ("week", "2026-01-01", "write 2025-12-28 or 2026-01-04"),
        ("week", "2026-01-03", "write 2025-12-28 or 2026-01-04"),
        ("week", "2026-01-05", "write 2026-01-04 or 2026-01-11"),
        ("month", "2026-01-31", "write 2026-01-01 or 2026-02-01"),
        ("month", "2026-12-02", "write 2026-12-01 or 2027-01-01"),
    ],
)
def test_a_start_amid_a_window_is_refused_with_the_nearest_starts(
    every: str, start: str, nearest: str
) -> None:
    with pytest.raises(ValidationError, match=nearest):
        sync(every, start)


@pytest.mark.parametrize(
    ("every", "start"), [("week", "2026-01-04"), ("month", "2026-02-01"), ("day", "2026-01-31")]
)
def test_the_first_partition_begins_on_the_start(every: str, start: str) -> None:
    partitions = partitions_of(sync(every, start))
    assert partitions is not None
    assert partitions.get_first_partition_key() == start


def test_a_range_of_one_is_that_partition() -> None:
    assert range_key("2026-01-01", "2026-01-01") == "2026-01-01"
    assert range_key("2026-01-01", "2026-12-31") == YEAR
