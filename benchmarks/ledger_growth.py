"""`python -m benchmarks.ledger_growth`: claims a second while the ledger grows to 20 million.

The numbers come in random order, as leads do, in chunks as a planner's; all go to one workflow.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.chaos.databases import PostgresServer
from dialnexa_pipeline.ledger import Candidates, Ledger

_RESULT = Path(__file__).parent / "results" / "ledger_growth.json"
# As many as a plan of millions claims at once.
_CHUNK, _BATCH = 131_072, 5_000
# A step that shares no factor with the count of numbers meets each of them once.
_NUMBERS, _STEP, _FIRST_NUMBER = 100_000_000, 61_803_399, 919_800_000_000


def main() -> int:
    """Print and keep the seconds that each million took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger_growth", description=__doc__)
    parser.add_argument("--claims", type=int, default=20_000_000)
    parser.add_argument("--ledger", choices=("sqlite", "postgresql"), action="append")
    arguments = parser.parse_args()
    told: dict[str, object] = {"chunk": _CHUNK, "batch_rows": _BATCH}
    with tempfile.TemporaryDirectory(prefix="dialnexa-ledger-") as folder:
        for kind in arguments.ledger or ("sqlite", "postgresql"):
            server = PostgresServer(Path(folder)) if kind == "postgresql" else None
            url = server.fresh_database() if server else f"sqlite:///{Path(folder) / 'ledger.db'}"
            told[kind] = rates = list(_grow(kind, url, arguments.claims))
            if server is not None:
                server.stop()
            print(f"{kind}: {rates[0]:,} claims a second at first, {rates[-1]:,} at last")
    told["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    told["load"] = round(os.getloadavg()[1], 1)
    _RESULT.write_text(json.dumps(told, indent=2) + "\n")
    return 0


def _grow(kind: str, url: str, claims: int) -> Iterator[int]:
    """Claims a second for each million, or for all when they are fewer."""
    counted = min(1_000_000, claims)
    with Ledger(url) as ledger:
        plan = ledger.plans.begin(sync="growth", partition_key="", run_id="r")
        done, seconds = 0, 0.0
        while done < claims:
            rows = min(_CHUNK, claims - done)
            places = np.arange(done, done + rows, dtype=np.int64)
            numbers = pa.array(places * _STEP % _NUMBERS + _FIRST_NUMBER)
            keys = pa.array(places).cast(pa.string())
            raw = pa.array([f"0{number % 10_000_000_000}" for number in numbers.to_pylist()])
            asked = [
                Candidates(
                    f"{kind}-{done + first}",
                    "wf",
                    done + first,
                    keys.slice(first, _BATCH),
                    raw.slice(first, _BATCH),
                    numbers.slice(first, _BATCH),
                )
                for first in range(0, rows, _BATCH)
            ]
            started = time.perf_counter()
            lost = ledger.plans.claim(plan, asked, ref_column="enrolment_ref")
            seconds += time.perf_counter() - started
            assert not lost, "every number is another one"
            before, done = done, done + rows
            if done // counted > before // counted:
                rate = round((done - before // counted * counted) / seconds)
                print(f"{kind:12}{done:>12,} claims {rate:>9,} a second", flush=True)
                yield rate
                seconds = 0.0


if __name__ == "__main__":
    sys.exit(main())
