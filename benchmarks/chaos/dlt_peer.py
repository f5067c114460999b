"""`python -m benchmarks.chaos.dlt_peer`: the same leads, sandbox and faults, by dlt and by us.

dlt is installed for the occasion into a virtual environment that is thrown away afterwards.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos.child import DONE, Orders
from benchmarks.chaos.children import Family
from dialnexa_pipeline.sandbox import SandboxServer

_DLT = "dlt==1.31.0"
_RESULTS = Path(__file__).parents[1] / "results" / "dlt_peer.json"
_BATCH_ROWS = 1_000
_READ_TIMEOUT = 20.0
_SLOW_READ_TIMEOUT = 2.0
# Name for people → the fault that one upload meets.
_FAULTS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "504 after it was accepted": {"kind": "error_after", "status": 504},
    "reset after it was accepted": {"kind": "reset_after"},
    "answer slower than the client waits": {"kind": "slow", "seconds": 4.0},
    "answer cut off": {"kind": "truncate_body"},
    "504 before anything happened": {"kind": "error_before", "status": 504},
    "half accepted, 201": {"kind": "partial_accept", "share": 0.5},
}


@dataclass(frozen=True, slots=True)
class Line:
    """What one tool did under one fault."""

    fault: str
    tool: str
    rows_sent: int
    people_enrolled: int
    enrolled_twice: int
    left_out: int
    said: str


def main() -> int:
    """Print the table and keep it; exit code 1 when ours enrolled somebody twice or lost one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.dlt_peer")
    parser.add_argument("--leads", type=int, default=5_000)
    leads = parser.parse_args().leads
    folder = Path(tempfile.mkdtemp(prefix="dialnexa-peer-"))
    try:
        python = _install(folder / "venv")
        lines: list[Line] = []
        print(
            f"{'one upload meets':<36}{'tool':<10}{'rows sent':>10}{'people':>8}{'twice':>7}"
            f"{'left out':>9}  the run said"
        )
        with (
            SandboxServer(state_path=folder / "sandbox.db") as sandbox,
            Family({"DIALNEXA_LEASE_SECONDS": "5"}) as family,
        ):
            for number, (name, fault) in enumerate(_FAULTS.items()):
                for tool in ("dlt", "dialnexa"):
                    sandbox.control("POST", "reset")
                    if fault is not None:
                        sandbox.order_fault(**fault, method="POST")
                    home = folder / f"{number}-{tool}"
                    home.mkdir()
                    slow = fault is not None and fault["kind"] == "slow"
                    timeout = _SLOW_READ_TIMEOUT if slow else _READ_TIMEOUT
                    rows, said = (
                        _by_dlt(python, sandbox, home, leads, timeout)
                        if tool == "dlt"
                        else _by_us(family, sandbox, home, leads, timeout)
                    )
                    line = Line(name, tool, rows, *_looked_at(sandbox, leads), said)
                    lines.append(line)
                    print(
                        f"{line.fault:<36}{line.tool:<10}{line.rows_sent:>10,}"
                        f"{line.people_enrolled:>8,}{line.enrolled_twice:>7,}"
                        f"{line.left_out:>9,}  {line.said}",
                        flush=True,
                    )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _RESULTS.parent.mkdir(exist_ok=True)
    document = {"leads": leads, "batch_rows": _BATCH_ROWS, "dlt": _DLT}
    document["lines"] = [asdict(line) for line in lines]
    _RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    ours = [line for line in lines if line.tool == "dialnexa"]
    return 1 if any(line.enrolled_twice or line.left_out for line in ours) else 0


def _install(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", _DLT], check=True)
    return python


def _by_dlt(
    python: Path, sandbox: SandboxServer, home: Path, leads: int, timeout: float
) -> tuple[int, str]:
    script = Path(__file__).with_name("dlt_sender.py")
    arguments = [sandbox.base_url, sandbox.api_key, "wf_home_loans", leads, _BATCH_ROWS, timeout]
    done = subprocess.run(
        [python, script, *map(str, arguments)],
        cwd=home,
        env={
            **os.environ,
            "DLT_DATA_DIR": str(home),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "PYTHONPATH": "",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return told["rows"], told["said"]


def _by_us(
    family: Family, sandbox: SandboxServer, home: Path, leads: int, timeout: float
) -> tuple[int, str]:
    """A run, and once the settle time has passed another."""
    with sqlite3.connect(home / "warehouse.db") as connection:
        connection.execute("CREATE TABLE leads (id INTEGER, mobile TEXT, name TEXT)")
        connection.executemany(
            "INSERT INTO leads VALUES (?, ?, ?)",
            [(number, f"+9198765{number:05d}", f"Name {number}") for number in range(leads)],
        )
    connection.close()
    config = {
        "name": "peer",
        "source": {"table": "leads", "key": "id", "phone": "mobile"},
        "workflow": "wf_home_loans",
        "variables": {"name": "name"},
        "batch": {"max_rows": _BATCH_ROWS},
    }
    environment = {
        "DIALNEXA_HOME": str(home),
        "DIALNEXA_WAREHOUSE_URL": f"sqlite:///{home / 'warehouse.db'}",
        "DIALNEXA_LEDGER_URL": f"sqlite:///{home / 'ledger.db'}",
        "DIALNEXA_STORE_URL": str(home / "store"),
        "DIALNEXA_BASE_URL": sandbox.base_url,
        "DIALNEXA_API_KEY": sandbox.api_key,
        "DIALNEXA_SETTLE_SECONDS": "0",
        "DIALNEXA_READ_TIMEOUT_SECONDS": str(timeout),
    }
    codes: list[int | None] = []
    # The first run leaves a doubt; two looks at the list end it, and the last run sends the rest.
    for number, kind in enumerate(("sync", "reconcile", "reconcile", "sync")):
        orders = Orders(
            kind, f"run-{number}", config if kind == "sync" else {}, "", None, None, str(home)
        )
        child = family.start(orders, environment, home / f"{number}.log")
        codes.append(child.wait(300))
    connection = sqlite3.connect(home / "ledger.db")
    (rows,) = connection.execute("SELECT sum(row_count * attempts) FROM batches").fetchone()
    connection.close()
    return rows, "success" if codes[0] == codes[-1] == DONE else f"exit codes {codes}"


def _looked_at(sandbox: SandboxServer, leads: int) -> tuple[int, int, int]:
    """People enrolled, people enrolled more than once, and people left out."""
    times = Counter(lead["phone_number"] for lead in sandbox.leads("wf_home_loans"))
    return len(times), sum(1 for count in times.values() if count > 1), leads - len(times)


if __name__ == "__main__":
    sys.exit(main())
