"""Rounds in which the contestants take turns, and the sums that must add up in each."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from filecmp import cmp
from itertools import combinations

from benchmarks.peers.arena import Arena
from benchmarks.peers.contestants import Contestant, Measured

_WARM_UP_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one contestant.

    Attributes:
        received: rows that the sink counted.
        load: the machine's load average of the last minute before it.
    """

    contestant: str
    rows: int
    round: int
    load: float
    received: int
    measured: Measured


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether the pairs of two contestants are one and the same list, at one scale."""

    rows: int
    contestants: tuple[str, str]
    pairs: int
    differing: int


def warm_up(arena: Arena, contestants: Sequence[Contestant]) -> None:
    """Let each contestant compile and load its files once, uncounted."""
    arena.build(_WARM_UP_ROWS)
    for contestant in contestants:
        arena.run(contestant, _WARM_UP_ROWS)
    arena.drop(_WARM_UP_ROWS)


def play(
    arena: Arena,
    contestants: Sequence[Contestant],
    rows: int,
    rounds: int,
    note: Callable[[Sample], None] = lambda _sample: None,
) -> tuple[list[Sample], list[Agreement], list[str]]:
    """Play the rounds of a scale; returns samples, agreements, and what does not add up."""
    taking_part = [c for c in contestants if c.most_rows is None or rows <= c.most_rows]
    samples: list[Sample] = []
    arena.build(rows)
    for number in range(rounds):
        # Whoever begins finds the machine as the data left it, so each begins once.
        first = number % len(taking_part)
        for contestant in taking_part[first:] + taking_part[:first]:
            load = os.getloadavg()[0]
            measured, received = arena.run(contestant, rows)
            sample = Sample(contestant.name, rows, number + 1, load, received, measured)
            samples.append(sample)
            note(sample)
    arena.drop(rows)
    agreements = list(_compared(arena, taking_part, rows))
    return samples, agreements, list(_does_not_add_up(samples, taking_part, agreements))


def _compared(arena: Arena, contestants: Sequence[Contestant], rows: int) -> Iterator[Agreement]:
    telling = [each for each in contestants if arena.pairs_of(each, rows).exists()]
    for one, other in combinations(telling, 2):
        paths = arena.pairs_of(one, rows), arena.pairs_of(other, rows)
        if cmp(*paths, shallow=False):
            with paths[0].open("rb") as lines:
                yield Agreement(rows, (one.name, other.name), sum(1 for _ in lines), 0)
        else:
            ours, theirs = (set(path.read_bytes().splitlines()) for path in paths)
            differing = max(1, len(ours ^ theirs))
            yield Agreement(rows, (one.name, other.name), len(ours), differing)


def _does_not_add_up(
    samples: Sequence[Sample], contestants: Sequence[Contestant], agreements: Sequence[Agreement]
) -> Iterator[str]:
    for sample in samples:
        if sample.received != sample.measured.kept:
            yield (
                f"{sample.contestant}, {sample.rows:,} rows, round {sample.round}: it kept "
                f"{sample.measured.kept:,} rows and the sink received {sample.received:,}"
            )
    exact = {each.name for each in contestants if each.exact}
    kept = {(s.contestant, s.measured.kept) for s in samples if s.contestant in exact}
    if len({rows for _, rows in kept}) > 1:
        told = ", ".join(f"{name} {rows:,}" for name, rows in sorted(kept))
        yield f"{samples[0].rows:,} rows: they keep different leads: {told}"
    for agreement in agreements:
        if agreement.differing:
            yield (
                f"{agreement.rows:,} rows: {' and '.join(agreement.contestants)} differ in "
                f"{agreement.differing:,} pairs"
            )
