"""A schedule asks for each window that has ended once, also when ticks were missed."""

from collections.abc import Generator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)

from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.components.schedules import CATCH_UP
from dialnexa_pipeline.sync import SyncConfig
from tests.components.conftest import BASE

DAYS: dict[str, Any] = {
    **BASE,
    "source": {**BASE["source"], "updated_at": "updated_at"},
    "partitions": {"every": "day", "start": "2026-01-01"},
    "schedule": "0 9 * * *",
    "timezone": "Asia/Kolkata",
}


class Ticks:
    """Evaluates a schedule as the daemon does, and writes its runs down."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def at(self, *moment: int, launch: bool = True, **changes: Any) -> list[str | None]:
        """Partitions that a tick asks for."""
        config = SyncConfig.model_validate(DAYS | changes)
        defs = dg.Definitions.merge(
            sync_definitions(config), dg.Definitions(resources=default_resources())
        )
        repository = defs.get_repository_def()
        schedule = repository.get_schedule_def("loans_schedule")
        # Left open it opens its instance again, and Dagster goes on to use that after its death.
        with dg.build_schedule_context(
            instance=self.instance,
            repository_def=repository,
            scheduled_execution_time=datetime(*moment, tzinfo=ZoneInfo("Asia/Kolkata")),
        ) as context:
            requests = schedule.evaluate_tick(context).run_requests or []
        assert len({request.run_key for request in requests}) == len(requests)
        for request in requests if launch else []:
            self.instance.create_run_for_job(
                repository.get_job("loans"),
                tags={**request.tags, "dagster/schedule_name": "loans_schedule"},
            )
        return [request.partition_key for request in requests]


@pytest.fixture
def ticks() -> Generator[Ticks]:
    with dg.instance_for_test() as instance:
        yield Ticks(instance)


def test_a_schedule_asks_for_the_window_that_has_just_ended(ticks: Ticks) -> None:
    assert ticks.at(2026, 3, 5, 9) == ["2026-03-04"]
    assert ticks.at(2026, 3, 6, 9) == ["2026-03-05"]


def test_windows_whose_ticks_were_missed_are_asked_for_once(ticks: Ticks) -> None:
    ticks.at(2026, 3, 5, 9)
    assert ticks.at(2026, 3, 9, 9) == ["2026-03-05", "2026-03-06", "2026-03-07", "2026-03-08"]
    assert ticks.at(2026, 3, 10, 9) == ["2026-03-09"]


def test_a_schedule_of_weekdays_asks_for_the_weekend_on_monday(ticks: Ticks) -> None:
    weekdays = {"schedule": "0 9 * * 1-5"}
    assert ticks.at(2026, 3, 6, 9, **weekdays) == ["2026-03-05"]
    assert ticks.at(2026, 3, 9, 9, **weekdays) == ["2026-03-06", "2026-03-07", "2026-03-08"]


def test_ticks_within_a_window_ask_for_the_last_one_again(ticks: Ticks) -> None:
    assert ticks.at(2026, 3, 5, 9) == ticks.at(2026, 3, 5, 15) == ["2026-03-04"]


def test_a_tick_catches_up_with_so_many_windows_at_most(ticks: Ticks) -> None:
    ticks.at(2026, 1, 5, 9)
    found = ticks.at(2026, 6, 5, 9)
    assert len(found) == CATCH_UP
    assert found[-1] == "2026-06-04"


def test_what_ended_while_the_schedule_was_off_is_not_asked_for(ticks: Ticks) -> None:
    ticks.at(2026, 3, 5, 9)
    on_since = datetime(2026, 3, 8, 12, tzinfo=ZoneInfo("Asia/Kolkata")).timestamp()
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
    ticks.instance.add_instigator_state(
        InstigatorState(
            RemoteInstigatorOrigin(place, "loans_schedule"),
            InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING,
            ScheduleInstigatorData("0 9 * * *", on_since),
        )
    )
    assert ticks.at(2026, 3, 10, 9) == ["2026-03-08", "2026-03-09"]


def test_a_run_without_partitions_is_asked_for_once(ticks: Ticks) -> None:
    unpartitioned = {"partitions": None}
    ticks.at(2026, 3, 5, 9, **unpartitioned)
    assert ticks.at(2026, 3, 9, 9, **unpartitioned) == [None]
