"""Seconds of backfills, and of unchanged leads run again, with a cursor and without.

A year of days in one run, thirty days in a run each, on a Dagster instance on disk; the leads are
in DuckDB and go to a sink server.
"""

import argparse
import json
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

_RESULT = Path(__file__).parent / "results" / "backfills.json"
_DAYS = 365
_SINGLE_DAYS = 30
_FIRST = "2025-01-01"
_LEADS = (
    "SELECT i AS id, '+9198' || lpad(i::varchar, 8, '0') AS mobile, 'Name ' || i AS name, "
    "TIMESTAMPTZ '{first} 00:00:00+00' + i * INTERVAL '{step} seconds' AS updated_at "
    "FROM range({leads}) t(i)"
)


def _measure(folder: str, port: int, kind: str, leads: int, results: Any) -> None:
    """One kind of backfill in this process; tells named seconds, peak MB and leads enrolled."""
    warehouse = Path(folder) / "w.duckdb"
    seconds_of_data = _DAYS * 86_400 if kind == "year" else _SINGLE_DAYS * 86_400
    step = max(seconds_of_data // leads, 1)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = _LEADS.format(first=_FIRST, step=step, leads=leads)
        connection.execute(f"CREATE TABLE leads AS {query}")
    os.environ.update(
        DIALNEXA_HOME=folder,
        DIALNEXA_WAREHOUSE_URL=f"duckdb:///{warehouse}",
        DIALNEXA_BASE_URL=f"http://127.0.0.1:{port}/v1",
        DIALNEXA_API_KEY="id:secret",
    )
    import dagster as dg

    instance_folder = Path(folder) / "dagster"
    instance_folder.mkdir()
    with dg.DagsterInstance.local_temp(str(instance_folder)) as instance:
        seconds = _KINDS[kind](instance)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with duckdb.connect(str(warehouse)) as connection:
        found = connection.execute("SELECT count(*) FROM dialnexa_enrolments").fetchone()
    results.put((seconds, round(peak), found[0] if found else 0))


def _job(**changes: Any) -> Any:
    import dagster as dg

    from dialnexa_pipeline.components import default_resources, sync_definitions
    from dialnexa_pipeline.sync import SyncConfig

    config = SyncConfig.model_validate(
        {
            "name": "speed",
            "source": {
                "table": "leads",
                "key": "id",
                "phone": "mobile",
                "updated_at": "updated_at",
            },
            "workflow": "sink",
            "variables": {"name": "name"},
            **changes,
        }
    )
    definitions = dg.Definitions.merge(
        sync_definitions(config), dg.Definitions(resources=default_resources())
    )
    return definitions.resolve_job_def("speed")


def _timed(job: Any, instance: Any, **arguments: Any) -> float:
    started = time.perf_counter()
    job.execute_in_process(instance=instance, **arguments)
    return round(time.perf_counter() - started, 1)


def _year(instance: Any) -> dict[str, float]:
    job = _job(partitions={"every": "day", "start": _FIRST, "backfill": "single_run"})
    tags = {
        "dagster/asset_partition_range_start": _FIRST,
        "dagster/asset_partition_range_end": "2025-12-31",
    }
    first = _timed(job, instance, tags=tags)
    return {"365 days in one run": first, "again": _timed(job, instance, tags=tags)}


def _month(instance: Any) -> dict[str, float]:
    job = _job(partitions={"every": "day", "start": _FIRST})
    runs = [
        _timed(job, instance, partition_key=f"2025-01-{day:02}")
        for day in range(1, _SINGLE_DAYS + 1)
    ]
    return {
        "30 days in a run each": round(sum(runs), 1),
        "the first of them": runs[0],
        "the last of them": runs[-1],
    }


def _unchanged(instance: Any) -> dict[str, float]:
    job = _job()
    full = {"ops": {"speed__screened_leads": {"config": {"full_scan": True}}}}
    return {
        "fresh": _timed(job, instance),
        "unchanged, with the cursor": _timed(job, instance),
        "unchanged, full scan": _timed(job, instance, run_config=full),
    }


_KINDS: dict[str, Callable[[Any], dict[str, float]]] = {
    "year": _year,
    "month": _month,
    "unchanged": _unchanged,
}
_TITLES = {
    "year": "a year of days",
    "month": "thirty single days",
    "unchanged": "unchanged rows",
}


def main() -> int:
    """Print a line per measurement; exit code 1 when leads were lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfills", description=__doc__)
    parser.add_argument("--backfilled", type=int, default=100_000, help="leads of the backfills")
    parser.add_argument("--unchanged", type=int, default=1_000_000, help="leads that stay as is")
    arguments = parser.parse_args()
    from benchmarks.sink import serve

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    sink = context.Process(target=serve, args=(port,), daemon=True)
    sink.start()
    time.sleep(2)
    lines: list[dict[str, object]] = []
    for kind, title in _TITLES.items():
        leads = arguments.unchanged if kind == "unchanged" else arguments.backfilled
        with tempfile.TemporaryDirectory() as folder:
            results = context.Queue()
            child = context.Process(target=_measure, args=(folder, port, kind, leads, results))
            child.start()
            seconds, peak, enrolled = results.get()
            child.join()
        lines.append(
            {
                "measured": title,
                "leads": leads,
                "lost": leads - enrolled,
                "seconds": seconds,
                "peak_mb": peak,
            }
        )
        for name, value in seconds.items():
            print(f"{leads:>10,} leads  {name:<28} {value:>7.1f} s", flush=True)
        _RESULT.write_text(json.dumps(lines, indent=2) + "\n")
    sink.terminate()
    return 1 if any(line["lost"] for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
