"""Seconds and peak memory of one whole sync against a sink server, at growing sizes."""

import argparse
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

import duckdb

_SIZES = (25_000, 50_000, 100_000, 200_000)
_QUICK = (25_000, 100_000)


def run_sync(folder: str, port: int, rows: int, results: "multiprocessing.Queue[object]") -> None:
    """One sync of `rows` leads in this process; reports leads, seconds and peak MB."""
    home = Path(folder)
    with duckdb.connect(str(home / "w.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE leads AS SELECT i AS id, '+9198' || lpad(i::varchar, 8, '0') AS mobile, "
            "'Name ' || i AS name, 'City ' || i % 50 AS city, i % 900000 AS amount "
            f"FROM range({rows}) t(i)"
        )
    os.environ.update(
        DIALNEXA_HOME=folder,
        DIALNEXA_WAREHOUSE_URL=f"duckdb:///{home / 'w.duckdb'}",
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
    started = time.perf_counter()
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(instance=instance)
    seconds = time.perf_counter() - started
    with duckdb.connect(str(home / "w.duckdb")) as connection:
        (enrolled,) = connection.execute("SELECT count(*) FROM dialnexa_enrolments").fetchone() or (
            0,
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put((enrolled, seconds, peak))


def main() -> int:
    """Print one line per size; exit code 1 when a sync lost rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    sizes = _QUICK if parser.parse_args().quick else _SIZES
    from benchmarks.sink import serve

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    sink = context.Process(target=serve, args=(port,), daemon=True)
    sink.start()
    time.sleep(2)
    print(f"{'leads':>9} {'seconds':>8} {'leads/s':>9} {'peak MB':>8}")
    lost = False
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            results = context.Queue()
            child = context.Process(target=run_sync, args=(folder, port, rows, results))
            child.start()
            enrolled, seconds, peak = results.get()
            child.join()
        lost = lost or enrolled != rows
        print(f"{enrolled:>9,} {seconds:>8.1f} {enrolled / seconds:>9,.0f} {peak:>8.0f}")
    sink.terminate()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
