"""`python -m benchmarks.readers`: rows a second and memory of each reader, beside SQLAlchemy's."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from dialnexa_pipeline.leads import text_of
from dialnexa_pipeline.sources import SourceConfig, open_source, relation
from tests.postgres import postgres_server

_RESULTS = Path(__file__).parent / "results" / "readers.json"
_COLUMNS = {
    "id": "n",
    "phone": "'98' || (10000000 + n % 89999999)",
    "country": "'IN'",
    "name": "'Priya Sharma ' || n % 5000",
    "email": "'priya.sharma' || n || '@example.com'",
    "city": "'Navi Mumbai'",
    "note": "'asked to be called in the evening, lead ' || n",
    "visits": "n % 10",
    "score": "n / 7.0",
    "campaign": "'campaign-' || n % 40",
    "created_at": "'2026-01-02 10:00:00'",
}
_TYPES = {
    "id": "BIGINT",
    "visits": "INTEGER",
    "score": "DOUBLE PRECISION",
    "created_at": "TIMESTAMP",
}


def main() -> int:
    """Print medians and keep them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("URL", "READER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_one(*arguments.one)))
        return 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            "postgresql": stack.enter_context(postgres_server()),
            "sqlite": f"sqlite:///{folder / 'w.db'}",
            "duckdb": f"duckdb:///{folder / 'w.duckdb'}",
        }
        for backend, url in urls.items():
            _fill(backend, url, arguments.rows)
        rounds = [
            {
                f"{backend} {reader}": _in_a_process(url, reader)
                for backend, url in urls.items()
                for reader in ("sqlalchemy", "arrow")
            }
            for _ in range(arguments.rounds)
        ]
    document = {
        "rows": arguments.rows,
        "columns": len(_COLUMNS),
        "rounds": arguments.rounds,
        "load": round(os.getloadavg()[0], 1),
        "readers": {
            name: {
                "rows_per_second": round(arguments.rows / _median(rounds, name, "read")),
                "rows_per_second_as_text": round(arguments.rows / _median(rounds, name, "text")),
                "cpu_seconds_per_million": round(
                    _median(rounds, name, "cpu") * 1_000_000 / arguments.rows, 2
                ),
                "peak_mb": round(_median(rounds, name, "peak_mb")),
                "peak_mb_before": round(_median(rounds, name, "peak_mb_before")),
            }
            for name in rounds[0]
        },
    }
    _print(document["readers"])
    _RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def _fill(backend: str, url: str, rows: int) -> None:
    kinds = {name: _TYPES.get(name, "VARCHAR(100)") for name in _COLUMNS}
    created = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    values = ", ".join(f"CAST({_COLUMNS[name]} AS {kind})" for name, kind in kinds.items())
    if backend == "sqlite":
        # Its own CAST makes a number of a moment; the column's type does not.
        values = ", ".join(_COLUMNS.values())
    numbers = f"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {rows})"
    series = {
        "postgresql": f"generate_series(1, {rows}) AS t(n)",
        "duckdb": f"range(1, {rows + 1}) AS t(n)",
    }
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE leads ({created})")
        insert = f"SELECT {values} FROM {series.get(backend, 't')}".replace(
            "%", "%%" if backend == "postgresql" else "%"
        )
        connection.exec_driver_sql(
            f"INSERT INTO leads {numbers if backend == 'sqlite' else ''} {insert}"
        )
    engine.dispose()


def _in_a_process(url: str, reader: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.readers", "--one", url, reader]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _one(url: str, reader: str) -> dict[str, float]:
    if reader == "sqlalchemy":
        relation.adbc_address = lambda url: None
        relation.RelationSource._read_duckdb = relation.RelationSource._read
    source = open_source(
        SourceConfig(table="leads", key="id", phone="phone"),
        warehouse_url=url,
        columns=list(_COLUMNS),
    )
    before = _peak_mb()
    started, busy = time.perf_counter(), time.process_time()
    for _ in source.batches():
        pass
    read, busy = time.perf_counter(), time.process_time() - busy
    for batch in source.batches():
        for column in batch.columns:
            text_of(column)
    return {
        "read": read - started,
        "cpu": busy,
        "text": time.perf_counter() - read,
        "peak_mb": _peak_mb(),
        "peak_mb_before": before,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _median(rounds: list[dict[str, dict[str, float]]], name: str, what: str) -> float:
    return statistics.median(measured[name][what] for measured in rounds)


def _print(readers: Mapping[str, Mapping[str, float]]) -> None:
    table = Table("reader", "rows/s", "rows/s as text", "CPU s / 1M", "peak MB", "of that before")
    for name, figures in readers.items():
        table.add_row(name, *(f"{value:,}" for value in figures.values()))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
