"""The commands know the same partitions as Dagster."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.components.windows import partitions_of
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.partition_keys import newest_partition, refuse_missing
from dialnexa_pipeline.partitioning import window_of_partition
from dialnexa_pipeline.sync import SyncConfig

EVERY = ("hour", "day", "week", "month")


def cut(every: str, **changes: Any) -> SyncConfig:
    return SyncConfig.model_validate(
        {
            "name": "loans",
            "source": {"table": "leads", "key": "id", "phone": "mobile", "updated_at": "u"},
            "workflow": "wf",
            "timezone": "Asia/Kolkata",
            "partitions": {"every": every, "start": "2023-10-01", "look_back": "2d"},
            **changes,
        }
    )


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(EVERY),
    st.sampled_from(["Asia/Kolkata", "Europe/Berlin"]),
    st.datetimes(datetime(2024, 1, 1), datetime(2026, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_newest_partition_is_dagsters(every: str, zone: str, now: datetime) -> None:
    config = cut(every, timezone=zone)
    definition = partitions_of(config)
    assert definition is not None
    with dg.partition_loading_context(effective_dt=now):
        theirs = definition.get_last_partition_key()
    ours = newest_partition(config, now)
    # In the hour that a clock is set back through twice, Dagster writes the key in another way.
    assert ours == (theirs[:16] if theirs is not None else None)


@pytest.mark.parametrize(
    ("every", "key"),
    [
        ("day", "2023-09-30"),
        ("day", "2999-01-01"),
        ("day", "2024-02-01...2999-01-01"),
        ("week", "2023-09-24"),
        ("month", "2023-09-01"),
        ("hour", "2024-02-01-09:30"),
    ],
)
def test_a_partition_that_does_not_exist_is_refused(every: str, key: str) -> None:
    config = cut(every)
    window = window_of_partition(config, key)
    assert window is not None
    with pytest.raises(ConfigError, match=f"has no partition '{key}'.* the newest that has ended"):
        refuse_missing(config, key, window)


@pytest.mark.parametrize(
    ("every", "key"),
    [
        ("day", "2023-10-01"),
        ("day", "2023-10-01...2024-03-01"),
        ("week", "2023-10-08"),
        ("month", "2024-02-01"),
        ("hour", "2023-10-01-00:00"),
    ],
)
def test_a_partition_that_exists_passes(every: str, key: str) -> None:
    config = cut(every)
    window = window_of_partition(config, key)
    assert window is not None
    refuse_missing(config, key, window)


def test_before_the_first_partition_has_ended_there_is_none() -> None:
    start = (datetime.now(UTC) + timedelta(days=40)).replace(day=1)
    config = cut("month", partitions={"every": "month", "start": f"{start:%Y-%m-%d}"})
    assert newest_partition(config) is None


@pytest.mark.parametrize(
    ("every", "key"),
    [
        ("week", "2024-01-08"),
        ("month", "2024-02-15"),
        ("month", "2024-01-31"),
        ("day", "9999-12-31"),
    ],
)
def test_a_day_that_begins_no_partition_is_none(every: str, key: str) -> None:
    with pytest.raises(ConfigError, match="is no partition of sync"):
        window_of_partition(cut(every), key)
