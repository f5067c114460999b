"""Many histories side by side, and their sum."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.chaos.children import Family
from benchmarks.chaos.history import History, HistoryResult
from benchmarks.chaos.place import Place
from benchmarks.chaos.scale import SMALL, Scale
from benchmarks.chaos.schedule import make_schedule
from benchmarks.chaos.world import Ledger, make_world


@dataclass(slots=True)
class Totals:
    """The sum over histories; a void one is counted and proves nothing.

    Attributes:
        void_seeds, failed_seeds: pairs of ledger and seed.
        failed: what is known of the failures of this process.
    """

    histories: int = 0
    runs: int = 0
    enrolled: int = 0
    doubles: int = 0
    unaccounted: int = 0
    violations: int = 0
    faults: Counter[str] = field(default_factory=Counter[str])
    void_seeds: list[list[str | int]] = field(default_factory=list[list[str | int]])
    failed_seeds: list[list[str | int]] = field(default_factory=list[list[str | int]])
    failed: list[HistoryResult] = field(default_factory=list[HistoryResult])

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Totals":
        """What `as_json` made."""
        return cls(
            histories=document["histories"],
            runs=document["runs"],
            enrolled=document["leads_enrolled"],
            doubles=document["enrolled_twice"],
            unaccounted=document["unaccounted"],
            violations=document["violations"],
            faults=Counter(document["faults"]),
            void_seeds=document["void_seeds"],
            failed_seeds=document["failed"],
        )

    @property
    def void(self) -> int:
        return len(self.void_seeds)

    def add(self, result: HistoryResult) -> None:
        self.histories += 1
        self.runs += result.runs
        self.faults.update(result.faults)
        if result.verdict.is_void:
            self.void_seeds.append([result.ledger, result.seed])
            return
        self.enrolled += result.verdict.enrolled
        self.doubles += result.verdict.doubles
        self.unaccounted += result.verdict.unaccounted
        self.violations += len(result.verdict.violations)
        if result.verdict.violations:
            self.failed_seeds.append([result.ledger, result.seed])
            self.failed.append(result)

    def as_json(self) -> dict[str, Any]:
        """Numbers, and the seeds of histories that failed."""
        return {
            "histories": self.histories,
            "void": self.void,
            "runs": self.runs,
            "leads_enrolled": self.enrolled,
            "enrolled_twice": self.doubles,
            "unaccounted": self.unaccounted,
            "violations": self.violations,
            "faults": dict(sorted(self.faults.items())),
            "void_seeds": self.void_seeds,
            "failed": self.failed_seeds,
        }


@contextmanager
def places(number: int, scale: Scale = SMALL) -> Generator[list[Place]]:
    """Places for worlds of one scale, which share one zygote."""
    with ExitStack() as stack:
        family = stack.enter_context(Family({"DIALNEXA_LEASE_SECONDS": str(scale.timing.lease)}))
        yield [stack.enter_context(Place(family)) for _ in range(number)]


def play(
    where: list[Place],
    histories: Iterable[tuple[int, Ledger]],
    *,
    dagster_share: float,
    scale: Scale = SMALL,
    mutant: str | None = None,
    told: Callable[[HistoryResult], bool] = lambda _result: True,
) -> Totals:
    """Play histories, given as seed and ledger, one after another in every place.

    Args:
        told: called with every result, one at a time; no new history begins once it says False.

    Raises:
        Exception: whatever broke the harness itself.
    """
    totals, lock = Totals(), threading.Lock()
    waiting: queue.SimpleQueue[tuple[int, Ledger]] = queue.SimpleQueue()
    for history in histories:
        waiting.put(history)
    stopped = threading.Event()
    broken: list[Exception] = []

    def work(place: Place) -> None:
        while not stopped.is_set():
            try:
                seed, ledger = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                world = make_world(seed, ledger, scale)
                events = make_schedule(world, dagster_share=dagster_share)
                result = History(world, events, place, mutant).play()
            except Exception as error:
                broken.append(error)
                stopped.set()
                return
            with lock:
                totals.add(result)
                if not told(result):
                    stopped.set()

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in where]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return totals


def tell(result: HistoryResult) -> str:
    """A history that went wrong, as people read it."""
    lines = [
        f"History {result.seed} on {result.ledger} ({result.seconds:.1f} s, "
        f"{result.runs} runs); files in {result.folder}",
        *(f"  VIOLATED: {violation}" for violation in result.verdict.violations),
        *(f"  {line}" for line in result.story),
    ]
    return "\n".join(lines)


def until_caught(where: list[Place], ledger: Ledger, mutant: str, *, at_most: int) -> int | None:
    """How many random histories it took to notice a mutant; None when none of them did.

    A crash of the mutant itself does not count.
    """
    caught: list[int] = []
    played = 0

    def told(result: HistoryResult) -> bool:
        nonlocal played
        played += 1
        said = [text for text in result.verdict.violations if " broke: " not in text]
        if said and not result.verdict.is_void:
            caught.append(played)
        return not caught

    histories: list[tuple[int, Ledger]] = [(seed, ledger) for seed in range(at_most)]
    play(where, histories, dagster_share=0.0, mutant=mutant, told=told)
    return caught[0] if caught else None
