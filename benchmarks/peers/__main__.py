"""`python -m benchmarks.peers`: us, the naive script, dlt, the limit and Dagster in one session."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.arena import open_arena
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.judging import bars_of, lines_of
from benchmarks.peers.report import Report
from benchmarks.peers.session import Agreement, Sample, play, warm_up

_RESULTS = Path(__file__).parents[1] / "results"
_SCALES = "10000,100000,1000000,10000000"
_QUICK_SCALES = "10000,50000"
_ROUNDS, _QUICK_ROUNDS = 5, 2
# A round of ten million rows takes minutes.
_MANY_ROWS, _ROUNDS_OF_MANY = 10_000_000, 2


def main() -> int:
    """Print the table and keep it; exit code 1 when sums or pairs do not agree.

    A bar that does not hold is told and is no failure: the machine may be another one.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("--quick", action="store_true", help="small scales, within 3 minutes")
    parser.add_argument("--scales", help=f"rows, with commas between; {_SCALES} by default")
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"rounds a scale; {_ROUNDS} by default, {_ROUNDS_OF_MANY} at most of ten million rows",
    )
    names = [contestant.name for contestant in CONTESTANTS]
    parser.add_argument("--only", default=",".join(names), help="contestants, with commas between")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    if not set(only) <= set(names):
        parser.error(f"--only knows {', '.join(names)}")
    contestants = [contestant for contestant in CONTESTANTS if contestant.name in only]
    scales = arguments.scales or (_QUICK_SCALES if arguments.quick else _SCALES)
    rounds = arguments.rounds or (_QUICK_ROUNDS if arguments.quick else _ROUNDS)
    # A quick look does not replace the figures of a long session.
    name = "bench_quick" if arguments.quick else "bench"
    samples: list[Sample] = []
    agreements: list[Agreement] = []
    wrong: list[str] = []
    with open_arena(contestants) as arena:
        warm_up(arena, contestants)
        for rows in map(int, scales.split(",")):
            of_scale = min(rounds, _ROUNDS_OF_MANY) if rows >= _MANY_ROWS else rounds
            played = play(arena, contestants, rows, of_scale, _note)
            samples += played[0]
            agreements += played[1]
            wrong += played[2]
            # After each scale, so that a session that is broken off leaves what it has.
            _report(samples, agreements).write(_RESULTS / f"{name}.json")
    # Only now: what this process holds would count as the peak of the processes it starts.
    from benchmarks.peers.picture import draw

    report = _report(samples, agreements)
    print(f"\n{report}")
    draw(report.lines, _RESULTS / f"{name}.png", report.disturbed)
    for problem in wrong:
        print(f"WRONG: {problem}")
    return 1 if wrong else 0


def _report(samples: Sequence[Sample], agreements: Sequence[Agreement]) -> Report:
    lines = lines_of(samples)
    return Report(samples, lines, agreements, bars_of(lines, agreements))


def _note(sample: Sample) -> None:
    print(
        f"round {sample.round}  {sample.rows:>11,} {sample.contestant:<7}"
        f"{sample.measured.seconds:>9.2f} s {sample.measured.peak_mb:>7,.0f} MB"
        f"   (load {sample.load:.1f})",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
