"""The contestants, and one of them as a process that is measured from outside."""

import json
import os
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

DLT = "dlt==1.31.0"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A script, and the most rows that it is asked for.

    Attributes:
        exact: it keeps the leads that a sync keeps, so that its sums can be held against ours.
    """

    name: str
    script: str
    most_rows: int | None
    exact: bool


CONTESTANTS = (
    Contestant("ours", "ours.py", None, exact=True),
    Contestant("naive", "naive.py", 1_000_000, exact=True),
    Contestant("dlt", "dlt_script.py", 100_000, exact=True),
    Contestant("limit", "limit.py", None, exact=False),
    # No peer: it is shown apart from what we make of the rows.
    Contestant("dagster", "dagster_script.py", None, exact=False),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the operating system says of a process, and what the process says of itself."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    kept: int
    stages: dict[str, float]


class ContestantFailed(Exception):
    """A process ended with an error; the end of what it said is in the text."""


def install_dlt(folder: Path) -> Path:
    """A Python with dlt, and with our versions of what both use."""
    venv.create(folder)
    python = folder / "bin" / "python"
    packages = [DLT, *(f"{name}=={version(name)}" for name in ("httpx", "phonenumbers"))]
    packages.append(f"psycopg[binary]=={version('psycopg')}")
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode"]
    subprocess.run([*uv, "--python", python, *packages], check=True)
    return python


def run(
    contestant: Contestant,
    folder: Path,
    *,
    url: str,
    table: str,
    base_url: str,
    python: Path | None,
) -> Measured:
    """Run a contestant to its end in `folder`.

    Args:
        python: an interpreter that has none of this project; None for our own.

    Raises:
        ContestantFailed: it ended with an error.
    """
    if python is None:
        module = f"benchmarks.peers.{contestant.script.removesuffix('.py')}"
        command: list[str | Path] = [sys.executable, "-m", module]
        home, environment = _ROOT, {}
    else:
        command = [python, Path(__file__).with_name(contestant.script)]
        home = folder
        environment = {
            "DLT_DATA_DIR": str(folder),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "PYTHONPATH": "",
        }
    said = folder / "said.txt"
    with said.open("wb") as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            [*command, url, table, base_url, folder],
            cwd=home,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        # The usage of this very child; RUSAGE_CHILDREN would be the highest of all so far.
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise ContestantFailed(f"{contestant.name}, {table}: {said.read_text()[-2_000:]}")
    told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    stages: dict[str, float] = told["stages"]
    # What nobody inside can see: the interpreter's start and its end; dlt's are told as one.
    if "began" in told:
        # One clock for all processes of a machine.
        stages["interpreter"] = told["began"] - started
        stages["exit"] = seconds - sum(stages.values())
    else:
        stages["interpreter"] = seconds - sum(stages.values())
    return Measured(
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        told["kept"],
        stages,
    )
