"""`python -m benchmarks.chaos`: break the pipeline in many ways, and look from outside."""

import argparse
import json
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.chaos.campaign import Totals, places, play, tell, until_caught
from benchmarks.chaos.history import HistoryResult
from benchmarks.chaos.place import Place
from benchmarks.chaos.world import Ledger

_RESULTS = Path(__file__).parents[1] / "results" / "chaos.json"


def main() -> int:
    """Exit code 1 when an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--ledger", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--workers", type=int, default=2, help="histories at the same time")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seed", type=int, help="play this one history and tell it")
    parser.add_argument("--dagster-share", type=float, default=0.02, help="runs by a real job")
    parser.add_argument("--mutant", help="module:function that breaks the children on purpose")
    parser.add_argument("--mutants", help="module whose MUTANTS random histories must catch")
    arguments = parser.parse_args()
    # Servers and children end in order, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ledgers: list[Ledger] = (
        ["sqlite", "postgresql"] if arguments.ledger == "both" else [arguments.ledger]
    )
    if arguments.seed is not None:
        chosen = [(arguments.seed, ledger) for ledger in ledgers]
    else:
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.histories)
        chosen = [(seed, ledgers[seed % len(ledgers)]) for seed in seeds]

    def told(result: HistoryResult) -> bool:
        if arguments.seed is not None or (result.verdict.violations and not result.verdict.is_void):
            print(tell(result), flush=True)
        return True

    with places(min(arguments.workers, len(chosen))) as where:
        if arguments.mutants is not None:
            return _try_mutants(where, arguments.mutants, ledgers[0], arguments.histories)
        started = time.perf_counter()
        totals = play(
            where,
            chosen,
            dagster_share=arguments.dagster_share,
            mutant=arguments.mutant,
            told=told,
        )
        seconds = time.perf_counter() - started
    _print(totals, seconds)
    if arguments.seed is None and arguments.mutant is None:
        _RESULTS.parent.mkdir(exist_ok=True)
        document = {
            "first_seed": arguments.first_seed,
            "ledgers": ledgers,
            "dagster_share": arguments.dagster_share,
            "seconds": round(seconds, 1),
            **totals.as_json(),
        }
        _RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if totals.violations else 0


def _try_mutants(where: list[Place], module: str, ledger: Ledger, at_most: int) -> int:
    """Exit code 1 when a way of breaking the protocol was not noticed."""
    missed = 0
    for mutant in import_module(module).MUTANTS:
        caught = until_caught(where, ledger, f"{module}:{mutant}", at_most=at_most)
        missed += caught is None
        said = "NOT caught" if caught is None else f"caught after {caught} histories"
        print(f"  {mutant:<40}{said}", flush=True)
    return 1 if missed else 0


def _print(totals: Totals, seconds: float) -> None:
    for kind, times in sorted(totals.faults.items()):
        print(f"  {kind:<40}{times:>8,}")
    print(
        f"{totals.histories:,} histories ({totals.void} void), {totals.runs:,} runs, "
        f"{sum(totals.faults.values()):,} faults, {totals.enrolled:,} leads enrolled, "
        f"{totals.doubles} enrolled twice, {totals.unaccounted} unaccounted, "
        f"{totals.violations} violations, {seconds:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
