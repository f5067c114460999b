"""The harness on a few leads: whoever is exact keeps the same ones, and every sum adds up."""

import json
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.peers import dagster_script
from benchmarks.peers.arena import open_arena
from benchmarks.peers.contestants import CONTESTANTS, Measured
from benchmarks.peers.judging import bars_of, lines_of
from benchmarks.peers.leads import COLUMNS, blocks
from benchmarks.peers.picture import draw
from benchmarks.peers.report import Report
from benchmarks.peers.session import Sample, play
from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.sync import SyncConfig

_ROWS = 500


@pytest.mark.servers
def test_contestants_keep_the_same_leads_and_every_stage_is_told(tmp_path: Path) -> None:
    contestants = [
        each for each in CONTESTANTS if each.name in {"ours", "naive", "limit", "dagster"}
    ]
    with open_arena(contestants) as arena:
        samples, agreements, wrong = play(arena, contestants, _ROWS, 1)
    assert wrong == []
    kept = {sample.contestant: sample.measured.kept for sample in samples}
    assert kept["ours"] == kept["naive"]
    # Some rows are invalid and some repeat, or there would be nothing to agree on.
    assert 0.7 * _ROWS < kept["ours"] < 0.95 * _ROWS
    assert [(a.contestants, a.pairs, a.differing) for a in agreements] == [
        (("ours", "naive"), kept["ours"], 0)
    ]
    for sample in samples:
        assert sum(sample.measured.stages.values()) == pytest.approx(sample.measured.seconds)
        assert sample.measured.stages["interpreter"] > 0
        assert sample.measured.stages["exit"] > 0
        assert 20 < sample.measured.peak_mb < 1_000
    lines = lines_of(samples)
    assert [line.times_ours is not None for line in lines] == [True] * 4
    assert [line.start_up_seconds is not None for line in lines] == [True, False, False, True]
    assert {
        "screened_leads",
        "lead_batches",
        "enrolments",
        "enrolment_counts",
        "rejected_rows",
    } <= lines[0].stages.keys()
    bars = bars_of(lines, agreements)
    assert [bar.holds for bar in bars] == [None] * 5 + [True]
    report = Report(samples, lines, agreements, bars)
    assert str(report).count("not measured") == 5
    report.write(tmp_path / "bench.json")
    document = json.loads((tmp_path / "bench.json").read_text())
    assert (document["scales"], document["rounds"]) == ([_ROWS], 1)
    draw(lines, tmp_path / "bench.png", report.disturbed)
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_bars_of_speed_are_judged_with_dagster_and_told_without_it() -> None:
    stages = {"interpreter": 0.5, "imports": 1.0, "definitions": 0.25, "run creation": 0.25}
    seconds = {"ours": 8.0, "naive": 47.0, "limit": 2.0, "dagster": 2.0}
    samples = [
        Sample(name, 1_000_000, 1, 0.0, 1, Measured(each, each, 500.0, 1, {**stages, "sync": 6.0}))
        for name, each in seconds.items()
    ]
    against_naive, against_limit, *_ = bars_of(lines_of(samples), [])
    assert (against_naive.measured, against_naive.holds) == (
        "5.88 ×, 7.83 × without the 2.00 s of Dagster alone",
        False,
    )
    assert (against_limit.measured, against_limit.holds) == (
        "4.00 ×, 3.00 × without the 2.00 s of Dagster alone",
        True,
    )


def test_dagster_alone_runs_the_assets_and_checks_of_a_sync() -> None:
    config = SyncConfig.model_validate(
        {
            "name": dagster_script.SYNC,
            "source": {"table": "leads", "key": "lead_id", "phone": "mobile"},
            "workflow_column": "workflow_id",
        }
    )
    defs = dg.Definitions.merge(
        sync_definitions(config), dg.Definitions(resources=default_resources())
    )
    graph = defs.resolve_job_def(config.name).asset_layer.asset_graph
    assets = {
        node.key.path[-1]: (
            tuple(key.path[-1] for key in node.parent_keys & graph.materializable_asset_keys),
            tuple(sorted(check.name for check in node.check_keys)),
        )
        for node in graph.asset_nodes
        if node.is_materializable
    }
    assert assets == dagster_script.ASSETS


def test_leads_are_the_same_every_time_and_a_small_table_begins_a_large_one() -> None:
    (small,) = blocks(_ROWS)
    first, second = blocks(100_001)
    assert small.column_names == list(COLUMNS)
    assert first.num_rows == 100_000
    assert first.slice(0, _ROWS).equals(small)
    assert second["lead_id"].to_pylist() == [100_001]
