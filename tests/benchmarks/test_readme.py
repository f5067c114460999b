"""The README's table of speed is the one that was measured."""

import json
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_the_table_of_speed_says_what_was_measured() -> None:
    readme = (_ROOT / "README.md").read_text()
    measured = json.loads((_ROOT / "benchmarks" / "results" / "bench.json").read_text())
    shown = {
        cells[0].replace(",", ""): cells[1:]
        for line in readme.splitlines()
        if (cells := [cell.strip() for cell in line.strip("|").split("|")])[0][:1].isdigit()
        and cells[-1].endswith(" s")
    }
    assert len(shown) == 4
    for line in measured["lines"]:
        if str(line["rows"]) not in shown or line["contestant"] == "dagster":
            continue
        place = ("ours", "naive", "dlt", "limit").index(line["contestant"])
        said = shown[str(line["rows"])][place].replace(",", "").split()
        assert float(said[0]) == round(line["seconds"], 1), line
        if place < 3:
            assert int(said[2]) == line["peak_mb"], line


def test_the_sentence_of_dagster_alone_says_what_was_measured() -> None:
    readme = " ".join((_ROOT / "README.md").read_text().split())
    measured = json.loads((_ROOT / "benchmarks" / "results" / "bench.json").read_text())
    alone = [
        round(line["seconds"], 1) for line in measured["lines"] if line["contestant"] == "dagster"
    ]
    assert f"{min(alone)} to {max(alone)} s of it are Dagster's own" in readme


def test_the_sentence_of_a_run_again_says_what_was_measured() -> None:
    readme = " ".join((_ROOT / "README.md").read_text().split())
    lines = json.loads((_ROOT / "benchmarks" / "results" / "sync_speed.json").read_text())
    million, ten_millions = (line for line in lines if line["leads"] >= 1_000_000)
    assert (
        f"take {million['fresh_seconds']} s, {million['unchanged_seconds']} s when they are run "
        f"again unchanged and {million['new_leads_seconds']} s when 1,000 are new; ten million "
        f"take {ten_millions['fresh_seconds']} s, {ten_millions['unchanged_seconds']} s and "
        f"{ten_millions['new_leads_seconds']} s. The highest memory is {million['peak_mb']} MB for "
        f"a million and {ten_millions['peak_mb']} MB for ten"
    ) in readme


def test_the_sentence_of_backfills_says_what_was_measured() -> None:
    readme = " ".join((_ROOT / "README.md").read_text().split())
    lines = json.loads((_ROOT / "benchmarks" / "results" / "backfills.json").read_text())
    seconds = {name: value for line in lines for name, value in line["seconds"].items()}
    assert (
        f"over a million unchanged leads takes {seconds['unchanged, with the cursor']} s, a full "
        f"scan {seconds['unchanged, full scan']} s"
    ) in readme
    assert f"in one run in {seconds['365 days in one run']} s" in readme
    assert f"of single days take {seconds['30 days in a run each']} s" in readme


def test_the_sentence_of_phones_says_what_was_compared() -> None:
    readme = " ".join((_ROOT / "README.md").read_text().split())
    results = _ROOT / "benchmarks" / "results" / "phone_exactness.json"
    corpora = json.loads(results.read_text())["corpora"].values()
    rows, differing = (sum(each[name] for each in corpora) for name in ("rows", "differences"))
    assert f"{rows:,} spellings of phones of every region" in readme
    assert f"in every field: {differing} differences" in readme
