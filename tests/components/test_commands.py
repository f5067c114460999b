"""Commands that tell people what happened and what would, over real runs."""

import json
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest
import yaml
from typer.testing import CliRunner

from dialnexa_pipeline.cli import app
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.partitioning import window_of_partition
from dialnexa_pipeline.sync import SyncConfig
from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers


def command(*words: str, exit_code: int = 0) -> str:
    """Run `dialnexa …`; its output in one line."""
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "400"})
    assert result.exit_code == exit_code, result.output
    return " ".join(result.output.split())


def document(*words: str, exit_code: int = 0) -> Any:
    """Run `dialnexa … --json`."""
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def messy(project: Project) -> Project:
    """A project whose YAML lies in its folder, with three rows that cannot be called."""
    project.fill(
        "INSERT INTO leads VALUES (500, '98765 00001', 'Same', now()), (501, '', 'Blank', now()), "
        "(502, '=1+1', 'Formula', now())"
    )
    sync = {"type": "dialnexa_pipeline.LeadSyncComponent", "attributes": BASE}
    (project.folder / "defs.yaml").write_text(yaml.safe_dump(sync), encoding="utf-8")
    return project


def test_a_preview_counts_what_the_run_then_sends(messy: Project) -> None:
    words = ("preview", "loans", "--project", str(messy.folder))
    said = command(*words)
    assert "120 of 123 source rows would be sent: files and requests 3, workflows 1." in said
    assert "9876500001" not in said
    told = document(*words)
    assert told["source_rows"] == 123
    assert told["files"] == {"wf_home_loans": 3}
    assert {each["reason"]: each["leads"] for each in told["counts"]} == {
        "planned/not_sent": 120,
        "duplicate/same_number": 1,
        "invalid/blank": 1,
        "invalid/formula": 1,
    }
    assert messy.sandbox.count_leads() == 0
    messy.run()
    assert messy.sandbox.count_leads() == 120
    assert document("batches", "--sync", "loans")[0]["state"] == "enrolled"
    assert len(document("batches")) == 3


def test_status_tells_the_newest_run_and_what_waits(project: Project) -> None:
    assert "no run yet" in command("status")
    project.run()
    assert "Nothing waits for anybody." in command("status")
    (sync,) = document("status")["syncs"]
    assert (sync["sync"], sync["source_rows"], sync["outcomes"]) == (
        "loans",
        120,
        {"enrolled": 120},
    )
    project.fill("INSERT INTO leads VALUES (900, '98765 99999', 'New', now())")
    project.sandbox.order_fault("error_after", status=504, method="POST")
    project.run()
    command("stop", "--reason", "lunch", "--who", "meena")
    waiting = document("status", exit_code=3)["waiting"]
    assert "is in doubt: 1 rows" in waiting[0]
    assert "was stopped by meena" in waiting[1]
    (doubtful,) = document("batches", "--state", "in_doubt")
    assert doubtful["row_count"] == 1
    assert "choose planned, sending" in command("batches", "--state", "lost", exit_code=1)


def test_explain_tells_why_a_lead_was_or_was_not_enrolled(messy: Project) -> None:
    assert "knows no such lead" in command("explain", "7", exit_code=3)
    messy.run()
    said = command("explain", "7")
    assert "lead 7 (+91******0007) of sync loans was claimed for workflow wf_home_loans" in said
    assert "The claim is enrolled. DialNexa's lead id is" in said
    assert "Enrolled in wf_home_loans: the number is not planned there again." in said
    blank = command("explain", "501", "--sync", "loans")
    assert "invalid/blank. The phone is blank; fill it in at the source." in blank
    assert "Not enrolled: mend what the newest line says" in blank
    assert document("explain", "501", "--sync", "cards", exit_code=3) == {
        "claims": [],
        "refusals": [],
    }


def test_explain_finds_everybody_who_has_a_number(messy: Project) -> None:
    messy.run()
    by_number = document("explain", "+919876500001")
    assert [claim["lead_key"] for claim in by_number["claims"]] == ["1"]
    assert [refusal["lead_key"] for refusal in by_number["refusals"]] == ["500"]
    assert document("explain", "98765 00001", "--country", "IN") == by_number
    assert "9876500001" not in json.dumps(by_number)
    assert "98765 00001" not in json.dumps(by_number)


def test_rejected_rows_go_to_a_sheet_in_which_nothing_is_computed(messy: Project) -> None:
    assert "knows no sync 'loans'; it knows none" in command("rejected", "loans", exit_code=1)
    messy.run()
    sheet = messy.folder / "mend.xlsx"
    said = command("rejected", "loans", "--xlsx", str(sheet))
    assert "3 rows, with their numbers, are in" in said
    assert "98765 00001" not in said
    header, *rows = openpyxl.load_workbook(sheet).active.iter_rows()  # type: ignore[union-attr]
    columns = {cell.value: place for place, cell in enumerate(header)}
    by_key = {row[columns["lead_key"]].value: row for row in rows}
    formula = by_key["502"][columns["raw_phone"]]
    assert (formula.value, formula.data_type) == ("=1+1", "s")
    assert by_key["500"][columns["raw_phone"]].value == "98765 00001"
    assert by_key["501"][columns["how_to_mend"]].value.startswith("The phone is blank")
    counts = document("rejected", "loans")
    assert sum(each["leads"] for each in counts) == 3
    other = messy.folder / "mend.csv"
    said = command("rejected", "loans", "--xlsx", str(other), exit_code=1)
    assert "mend.csv is not named as one; end its name in .xlsx." in said
    assert not other.exists()
    missing = str(messy.folder / "no" / "such.xlsx")
    assert "cannot be written" in command("rejected", "loans", "--xlsx", missing, exit_code=1)


@pytest.mark.parametrize(
    ("every", "key"),
    [
        ("hour", "2026-03-29-00:00"),
        ("hour", "2026-03-29-03:00"),
        ("day", "2026-03-29"),
        ("week", "2026-03-29"),
        ("month", "2026-12-01"),
    ],
)
def test_a_preview_reads_the_window_that_dagster_would(every: str, key: str) -> None:
    from dialnexa_pipeline.components.windows import partitions_of

    config = SyncConfig.model_validate(
        BASE
        | {
            "source": {**BASE["source"], "updated_at": "updated_at"},
            "partitions": {
                "every": every,
                "start": "2025-12-28" if every == "week" else "2026-01-01",
            },
            "timezone": "Europe/Berlin",
        }
    )
    definition = partitions_of(config)
    assert definition is not None
    theirs = definition.time_window_for_partition_key(key)
    ours = window_of_partition(config, key)
    assert ours is not None
    assert (ours.start, ours.end) == (_utc(theirs.start), _utc(theirs.end))


def test_a_partition_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no partitions"):
        window_of_partition(SyncConfig.model_validate(BASE), "2026-01-01")


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
