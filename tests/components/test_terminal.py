"""What commands are like to use: the next step, JSON, exit codes, completion and progress."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from tests.components.conftest import BASE, Project
from tests.components.test_commands import command, document

pytestmark = pytest.mark.servers

DIALNEXA = str(Path(sys.executable).with_name("dialnexa"))


@pytest.fixture
def own(project: Project) -> Project:
    """A project whose YAML lies in its folder."""
    sync = {"type": "dialnexa_pipeline.LeadSyncComponent", "attributes": BASE}
    (project.folder / "defs.yaml").write_text(yaml.safe_dump(sync), encoding="utf-8")
    return project


def next_of(project: Project, exit_code: int = 0) -> str:
    """The last sentence of the doctor, which --json gives as well."""
    words = ("doctor", "--project", str(project.folder))
    said = command(*words, exit_code=exit_code).partition(" Next: ")[2]
    told: dict[str, Any] = document(*words, exit_code=exit_code)
    assert told["next"] == said
    return said


def findings_of(project: Project, exit_code: int = 0) -> list[dict[str, Any]]:
    """What the doctor finds wrong."""
    told = document("doctor", "--project", str(project.folder), exit_code=exit_code)
    return [each for each in told["findings"] if not each["ok"]]


def test_the_doctor_ends_with_the_command_to_run_next(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert next_of(own).startswith("`dialnexa preview loans`")
    own.run(selection=["screened_leads", "lead_batches"])
    assert "materialise loans/enrolments" in next_of(own)
    own.sandbox.order_fault("error_after", status=504, method="POST")
    own.run()
    assert next_of(own).startswith("`dialnexa reconcile`")
    command("reconcile")
    assert next_of(own).startswith("`dialnexa status`")
    own.fill("INSERT INTO leads VALUES (501, '', 'Blank', now())")
    own.run()
    assert next_of(own).startswith("`dialnexa rejected loans`")
    command("stop", "--reason", "lunch", "--sync", "loans")
    assert "`dialnexa resume --sync loans --reason …`" in next_of(own, exit_code=1)
    command("resume", "--reason", "eaten", "--sync", "loans")
    own.fill("INSERT INTO leads VALUES (600, '98765 60000', 'New', now())")
    own.run(guard={"max_growth": 0.001})
    assert "dialnexa approve loans" in next_of(own, exit_code=1)
    monkeypatch.delenv("DIALNEXA_API_KEY")
    (own.folder / "defs.yaml").unlink()
    assert next_of(own, exit_code=1).startswith("`dg scaffold defs")


def test_the_next_step_of_a_sync_with_partitions_names_one_that_exists(project: Project) -> None:
    source = {**BASE["source"], "updated_at": "updated_at"}
    cut = {"source": source, "partitions": {"every": "day", "start": "2026-01-01"}}
    sync = {"type": "dialnexa_pipeline.LeadSyncComponent", "attributes": {**BASE, **cut}}
    (project.folder / "defs.yaml").write_text(yaml.safe_dump(sync), encoding="utf-8")
    said = next_of(project)
    partition = said.partition("--partition ")[2].partition("`")[0]
    assert f"`dg launch --job loans --partition {partition}` then runs it." in said
    words = ("preview", "loans", "--project", str(project.folder), "--partition")
    assert "0 of 0 source rows" in command(*words, partition)
    assert "40 of 40 source rows" in command(*words, "2026-01-01")
    said = command(*words, "2025-12-31", exit_code=1)
    assert "has no partition '2025-12-31': it has one each day, the first from 2026-01-01" in said
    assert f"the newest that has ended is {partition}." in said
    project.run(partition=partition, **cut)


def test_requests_that_are_repeated_leave_json_alone(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, in which no other command has run before."""
    monkeypatch.setenv("DIALNEXA_BASE_URL", "http://127.0.0.1:9/v1")
    words = [DIALNEXA, "doctor", "--project", str(own.folder), "--json"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    findings = json.loads(said.stdout)["findings"]
    assert any("ConnectError" in each["said"] for each in findings if not each["ok"])
    assert "stamina" not in said.stderr


def test_what_is_data_is_one_json_document(own: Project) -> None:
    own.sandbox.order_fault("error_after", status=504, method="POST")
    own.run()
    settled = document("reconcile")
    assert [(batch["enrolled"], batch["waiting"]) for batch in settled] == [(50, 0)]
    assert document("reconcile") == []
    assert all(each["different"] == 0 for each in document("records", "compare"))
    own.fill("DELETE FROM dialnexa_enrolments WHERE lead_key = '7'")
    assert document("records", "compare", exit_code=3)[0]["missing"] == 1
    rebuilt = {each["table"]: each["rows"] for each in document("records", "rebuild")}
    assert rebuilt["dialnexa_enrolments"] == 120
    (stop,) = document("stop", "--reason", "lunch", "--who", "meena")
    assert (stop["who"], stop["sync"]) == ("meena", None)
    assert document("stop", "--status") == [stop]
    told = document("withdraw", "--phone", "+919876500007", "--reason", "asked")
    assert told["removed"] == 1
    assert "9876500007" not in json.dumps(told)


@pytest.mark.parametrize("words", [(), ("replay",), ("reconcile",), ("records", "compare")])
def test_every_help_tells_what_exit_codes_mean(words: tuple[str, ...]) -> None:
    said = command(*words, "--help")
    assert "Exit codes: 0 done; 1 an error" in said
    assert "3 something waits" in said


def test_help_tells_what_an_argument_is() -> None:
    assert "A sync of this project." in command("preview", "--help")


def completed(folder: Path, *words: str) -> list[str]:
    """What bash would offer for the last word."""
    environment = {
        **os.environ,
        "_DIALNEXA_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["dialnexa", *words]),
        "COMP_CWORD": str(len(words)),
    }
    done = CliRunner().invoke(app, [], prog_name="dialnexa", env=environment)
    return done.output.split()


def test_a_shell_completes_the_project_s_syncs(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.folder)
    other = {"type": "dialnexa_pipeline.LeadSyncComponent", "attributes": BASE | {"name": "cards"}}
    (own.folder / "cards.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    (own.folder / "broken.yaml").write_text("type: [", encoding="utf-8")
    assert completed(own.folder, "preview", "") == ["cards", "loans"]
    assert completed(own.folder, "replay", "l") == ["loans"]
    assert completed(own.folder, "explain", "7", "--sync", "c") == ["cards"]
    assert completed(own.folder, "batches", "--state", "in") == ["in_doubt"]


def test_a_bar_is_shown_on_a_terminal_only(own: Project) -> None:
    words = [DIALNEXA, "preview", "loans", "--project", str(own.folder)]
    for more, is_shown in (([], True), (["--json"], False)):
        ours, theirs = pty.openpty()
        done = subprocess.run(
            [*words, *more], stdout=subprocess.PIPE, stderr=theirs, text=True, check=True
        )
        os.close(theirs)
        try:
            seen = os.read(ours, 10_000).decode()
        except OSError:
            # Linux says so when nothing was written and nobody writes any more.
            seen = ""
        os.close(ours)
        assert ("Rows read" in seen) == is_shown
        assert "Rows read" not in done.stdout
    piped = subprocess.run(words, capture_output=True, text=True, check=True)
    assert piped.stderr == ""


@pytest.mark.parametrize("url", ["s3://bucket/leads", "foo://x"])
def test_the_doctor_outlives_a_store_that_cannot_be_opened(
    own: Project, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DIALNEXA_STORE_URL", url)
    wrong = findings_of(own, exit_code=1)
    assert [each["what"] for each in wrong] == ["store"]
    assert "DIALNEXA_STORE_URL begins with" in wrong[0]["said"]


def test_the_doctor_outlives_what_no_package_should_raise(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(_path: str) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("dialnexa_pipeline.cli.doctor.Store", break_off)
    (wrong,) = findings_of(own, exit_code=1)
    assert wrong["said"].startswith("It ended with RuntimeError")
