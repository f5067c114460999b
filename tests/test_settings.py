"""What the environment says is taken, or refused in one sentence."""

from datetime import timedelta

import pytest

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.settings import Settings


def test_seconds_have_defaults() -> None:
    settings = Settings.from_environment({"DIALNEXA_LEASE_SECONDS": ""})
    assert (settings.lease, settings.settle) == (timedelta(minutes=1), timedelta(minutes=15))
    assert (settings.read_timeout, settings.max_wait) == (120.0, 900.0)


@pytest.mark.parametrize("text", ["abc", "-5", "nan", "inf", "1e300"])
@pytest.mark.parametrize(
    "name",
    [
        "DIALNEXA_LEASE_SECONDS",
        "DIALNEXA_SETTLE_SECONDS",
        "DIALNEXA_READ_TIMEOUT_SECONDS",
        "DIALNEXA_MAX_WAIT_SECONDS",
    ],
)
def test_seconds_that_cannot_be_waited_are_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{text}'; it must be a number of seconds"):
        Settings.from_environment({name: text})


def test_nobody_lives_for_no_time() -> None:
    with pytest.raises(ConfigError, match=r"0\.1 to 315,360,000"):
        Settings.from_environment({"DIALNEXA_LEASE_SECONDS": "0"})
