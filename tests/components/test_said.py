"""What commands say leads on: one thing at a time, and what the person before them can do."""

import pytest

from tests.components.conftest import Project
from tests.components.test_commands import command

pytestmark = pytest.mark.servers

PHONE = "+919876500007"


def test_of_a_held_batch_only_the_command_that_releases_it_is_named(project: Project) -> None:
    project.sandbox.order_fault("error_before", status=504, method="POST")
    project.run(in_doubt="hold")
    assert "50 rows in wf_home_loans. `dialnexa reconcile` settles it." in command(
        "status", exit_code=3
    )
    for _listing in range(2):
        command("reconcile", exit_code=3)
    said = command("status", exit_code=3)
    assert "held for a person: `dialnexa reconcile --release` lets the next run send it." in said
    assert "settles it" not in said


def test_of_an_erased_person_nobody_is_told_to_mend_the_source(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIALNEXA_ERASURE_KEY", "k" * 32)
    project.run()
    command("withdraw", "--phone", PHONE, "--reason", "law", "--erase")
    erased = "Erased: no run plans this person's number again in any workflow"
    assert erased in command("explain", "7")
    project.run(full_scan=True)
    assert erased in command("explain", "7")
    project.fill("UPDATE leads SET mobile = '12' WHERE id = 7")
    project.run(full_scan=True)
    assert "Not enrolled: mend what the newest line says" in command("explain", "7")
