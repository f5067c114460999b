"""Every command opens DialNexa alike: by the environment's key, and with its patience."""

import time

import pytest

from tests.components.conftest import Project
from tests.components.test_commands import command

pytestmark = pytest.mark.servers

PHONE = "+919876500007"


def test_a_withdrawal_waits_no_longer_than_the_environment_lets_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    monkeypatch.setenv("DIALNEXA_MAX_WAIT_SECONDS", "0.1")
    project.sandbox.order_fault("rate_limited", method="DELETE", retry_after=8)
    begun = time.monotonic()
    command("withdraw", "--phone", PHONE, "--reason", "opt out", exit_code=1)
    assert time.monotonic() - begun < 6


def test_a_command_without_a_key_says_which_variable_to_set(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    monkeypatch.delenv("DIALNEXA_API_KEY")
    for words in (["reconcile"], ["withdraw", "--phone", PHONE, "--reason", "opt out"]):
        assert "DIALNEXA_API_KEY is not set" in command(*words, exit_code=1)
