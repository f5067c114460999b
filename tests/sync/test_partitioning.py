"""Which windows lie in which, for partitions and ranges of them."""

import pytest

from dialnexa_pipeline.partitioning import covers, overlaps, range_key
from dialnexa_pipeline.sync import SyncConfig

YEAR = "2026-01-01...2026-12-31"


def sync(every: str = "day") -> SyncConfig:
    return SyncConfig.model_validate(
        {
            "name": "loans",
            "source": {"table": "leads", "key": "id", "phone": "mobile", "updated_at": "u"},
            "workflow": "wf",
            "timezone": "Europe/Berlin",
            "partitions": {"every": every, "start": "2026-01-01", "look_back": "2d"},
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


def test_a_range_ends_with_its_last_window() -> None:
    assert covers(sync("month"), "2026-01-01...2026-03-01", "2026-03-01")
    hours = "2026-03-29-00:00...2026-03-29-03:00"
    assert covers(sync("hour"), hours, "2026-03-29-03:00")
    assert not covers(sync("hour"), hours, "2026-03-29-04:00")


def test_a_range_of_one_is_that_partition() -> None:
    assert range_key("2026-01-01", "2026-01-01") == "2026-01-01"
    assert range_key("2026-01-01", "2026-12-31") == YEAR
