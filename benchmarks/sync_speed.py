"""Seconds and peak memory of whole syncs: fresh, again unchanged, and again with 1,000 new leads.

The leads are in DuckDB and go to a sink server; sizes grow, so that what is not linear shows.
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
from pathlib import Path
from typing import Any

import duckdb

from dialnexa_pipeline.duckdb_arrow import QUIET

_RESULT = Path(__file__).parent / "results" / "sync_speed.json"
_SIZES = "25000,100000,1000000,10000000"
_NEW_LEADS = 1_000
_LEADS = (
    "SELECT i AS id, '+9198' || lpad(i::varchar, 8, '0') AS mobile, 'Name ' || i AS name, "
    "'City ' || i % 50 AS city, i % 900000 AS amount FROM range({}, {}) t(i)"
)


def write(warehouse: Path, statement: str) -> None:
    """One statement, in a process of its own: what it takes is not the sync's peak."""
    child = multiprocessing.get_context("spawn").Process(
        target=execute, args=(warehouse, statement)
    )
    child.start()
    child.join()
    assert child.exitcode == 0, statement


def execute(warehouse: Path, statement: str) -> None:
    """Execute a statement in a warehouse."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(QUIET)
        connection.execute(statement)


def run_syncs(folder: str, port: int, rows: int, results: "multiprocessing.Queue[Any]") -> None:
    """Three syncs in this process; tells leads enrolled by all, seconds of each and peak MB."""
    warehouse = Path(folder) / "w.duckdb"
    write(warehouse, f"CREATE TABLE leads AS {_LEADS.format(0, rows)}")
    os.environ.update(
        DIALNEXA_HOME=folder,
        DIALNEXA_WAREHOUSE_URL=f"duckdb:///{warehouse}",
        DIALNEXA_BASE_URL=f"http://127.0.0.1:{port}/v1",
        DIALNEXA_API_KEY="id:secret",
    )
    import dagster as dg

    from dialnexa_pipeline.components import default_resources, sync_definitions
    from dialnexa_pipeline.sync import SyncConfig

    config = SyncConfig.model_validate(
        {
            "name": "speed",
            "source": {"table": "leads", "key": "id", "phone": "mobile"},
            "workflow": "sink",
            "variables": {"name": "name", "city": "city", "amount": "amount"},
        }
    )
    defs = dg.Definitions.merge(
        sync_definitions(config), dg.Definitions(resources=default_resources())
    )
    job = defs.resolve_job_def("speed")
    seconds: list[float] = []
    peaks: list[float] = []
    for run in ("fresh", "unchanged", "new leads"):
        if run == "new leads":
            write(warehouse, f"INSERT INTO leads {_LEADS.format(rows, rows + _NEW_LEADS)}")
        started = time.perf_counter()
        with dg.DagsterInstance.ephemeral() as instance:
            job.execute_in_process(instance=instance)
        seconds.append(time.perf_counter() - started)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    with duckdb.connect(str(warehouse)) as connection:
        found = connection.execute("SELECT count(*) FROM dialnexa_enrolments").fetchone()
    results.put((found[0] if found else 0, seconds, peaks))


def main() -> int:
    """Print one line per size; exit code 1 when a sync lost rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync_speed", description=__doc__)
    parser.add_argument("--sizes", default=_SIZES, help=f"leads, with commas between; {_SIZES}")
    sizes = [int(size) for size in parser.parse_args().sizes.split(",")]
    from benchmarks.sink import serve

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    sink = context.Process(target=serve, args=(port,), daemon=True)
    sink.start()
    time.sleep(2)
    print(
        f"{'leads':>10} {'fresh s':>8} {'MB':>6} {'unchanged s':>12} {'1,000 new s':>12} {'MB':>6}"
    )
    lines: list[dict[str, object]] = []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            results = context.Queue()
            child = context.Process(target=run_syncs, args=(folder, port, rows, results))
            child.start()
            enrolled, seconds, peaks = results.get()
            child.join()
        fresh, unchanged, new = seconds
        print(
            f"{rows:>10,} {fresh:>8.1f} {peaks[0]:>6.0f} {unchanged:>12.1f} {new:>12.1f} "
            f"{peaks[-1]:>6.0f}",
            flush=True,
        )
        lines.append(
            {
                "leads": rows,
                "lost": rows + _NEW_LEADS - enrolled,
                "fresh_seconds": round(fresh, 1),
                "unchanged_seconds": round(unchanged, 1),
                "new_leads_seconds": round(new, 1),
                "fresh_peak_mb": round(peaks[0]),
                "peak_mb": round(peaks[-1]),
            }
        )
        _RESULT.write_text(json.dumps(lines, indent=2) + "\n")
    sink.terminate()
    return 1 if any(line["lost"] for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
