"""`python -m benchmarks.chaos`: break the pipeline in many ways, and look from outside."""

import argparse
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.chaos.campaign import Totals, places, play, tell, until_caught
from benchmarks.chaos.history import HistoryResult
from benchmarks.chaos.place import Place
from benchmarks.chaos.results import OtherCampaign, Results
from benchmarks.chaos.scale import SMALL, large
from benchmarks.chaos.world import Ledger

_RESULTS = Path(__file__).parents[1] / "results"
_PROGRESS_SECONDS = 60.0


def main() -> int:
    """Exit code 1 when an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--histories", type=int, default=100, help="of the whole campaign")
    parser.add_argument("--leads", type=int, help="rows of a large world: 1,000 to 50,000")
    parser.add_argument("--go-on", action="store_true", help="after the last seed recorded")
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
    if arguments.leads is not None and not 1_000 <= arguments.leads <= 50_000:
        parser.error("--leads must be from 1,000 to 50,000")
    scale = SMALL if arguments.leads is None else large(arguments.leads)
    is_campaign = arguments.seed is None and arguments.mutant is None and arguments.mutants is None
    try:
        results = Results(
            _RESULTS / ("chaos.json" if arguments.leads is None else "chaos_large.json"),
            first_seed=arguments.first_seed,
            options={
                "leads": arguments.leads,
                "ledgers": ledgers,
                "dagster_share": arguments.dagster_share,
            },
            go_on=arguments.go_on,
        )
    except OtherCampaign as other:
        parser.error(str(other))
    if arguments.seed is not None:
        chosen = [(arguments.seed, ledger) for ledger in ledgers]
    else:
        seeds = range(results.next_seed, arguments.first_seed + arguments.histories)
        chosen = [(seed, ledgers[seed % len(ledgers)]) for seed in seeds]
    started = said = time.perf_counter()

    def told(result: HistoryResult) -> bool:
        nonlocal said
        if arguments.seed is not None or (result.verdict.violations and not result.verdict.is_void):
            print(tell(result), flush=True)
        now = time.perf_counter()
        if is_campaign:
            results.add(result, now - started)
            if now - said >= _PROGRESS_SECONDS:
                said = now
                _print_sums(results.totals, now - started)
        return True

    with places(min(arguments.workers, len(chosen)), scale) as where:
        if arguments.mutants is not None:
            return _try_mutants(where, arguments.mutants, ledgers[0], arguments.histories)
        totals = play(
            where,
            chosen,
            dagster_share=arguments.dagster_share,
            scale=scale,
            mutant=arguments.mutant,
            told=told,
        )
    totals = results.totals if is_campaign else totals
    for kind, times in sorted(totals.faults.items()):
        print(f"  {kind:<40}{times:>8,}")
    _print_sums(totals, time.perf_counter() - started)
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


def _print_sums(totals: Totals, seconds: float) -> None:
    print(
        f"{totals.histories:,} histories ({totals.void} void), {totals.runs:,} runs, "
        f"{sum(totals.faults.values()):,} faults, {totals.enrolled:,} leads enrolled, "
        f"{totals.doubles} enrolled twice, {totals.unaccounted} unaccounted, "
        f"{totals.violations} violations, {seconds:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
