"""What happens in a history, drawn from its seed: runs, faults, kills and changes in the source."""

import random
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.chaos.proxy import Spoil
from benchmarks.chaos.scale import Timing
from benchmarks.chaos.world import PARTITIONS, World
from dialnexa_pipeline.failpoints import FAILPOINTS

SignalName = Literal["SIGKILL", "SIGTERM", "SIGINT"]

# Points that only commands of people reach, and Dagster's own runs never.
_NOT_IN_RUNS = ("activate.", "withdraw.")
_RUN_FAILPOINTS = [name for name in FAILPOINTS if not name.startswith(_NOT_IN_RUNS)]
# Where a crash costs most; a random pick would seldom hit them.
_DELICATE = [name for name in _RUN_FAILPOINTS if name.startswith(("send.", "reconcile."))]


@dataclass(frozen=True, slots=True)
class RunOrder:
    """One child process.

    Attributes:
        kind: a whole `sync`, the same through `dagster`, or the command `reconcile`, which is
            called `release` when a person lets held rows go.
        sync: index of the world's sync.
        failpoint: `name=action@n` in the child.
        signal_after: seconds until `signal` is sent; None for never.
        start_after: seconds after the run before it was started.
        pause_after, pause_for: seconds until the child is stopped, and for how long.
    """

    kind: Literal["sync", "dagster", "reconcile", "release"]
    sync: int = 0
    partition: str = ""
    failpoint: str | None = None
    signal: SignalName = "SIGKILL"
    signal_after: float | None = None
    start_after: float = 0.0
    pause_after: float | None = None
    pause_for: float = 0.0

    def __str__(self) -> str:
        words = [self.kind]
        if self.kind in {"sync", "dagster"}:
            words.append("ab"[self.sync] + (f":{self.partition}" if self.partition else ""))
        if self.failpoint:
            words.append(self.failpoint)
        if self.signal_after is not None:
            words.append(f"{self.signal} after {self.signal_after:.2f}s")
        if self.start_after:
            words.append(f"{self.start_after:.2f}s later")
        if self.pause_after is not None:
            words.append(f"paused after {self.pause_after:.2f}s for {self.pause_for:.2f}s")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Event:
    """Faults that are ordered, then runs that start together.

    Attributes:
        restart_ledger_after: seconds until PostgreSQL is restarted in mid-run.
        restart_sandbox: the server goes away for a moment after the runs have started.
        source_changes: how many rows of the source change before the runs.
        wait: seconds before anything of the event happens.
    """

    runs: tuple[RunOrder, ...] = ()
    faults: tuple[dict[str, Any], ...] = ()
    spoils: tuple[Spoil, ...] = ()
    restart_ledger_after: float | None = None
    restart_sandbox: bool = False
    source_changes: int = 0
    wait: float = 0.0

    def __str__(self) -> str:
        parts = [f"wait {self.wait:.2f}s"] if self.wait else []
        if self.source_changes:
            parts.append(f"{self.source_changes} source changes")
        parts += [
            "fault " + " ".join(f"{k}={v}" for k, v in fault.items() if k != "path")
            for fault in self.faults
        ]
        parts += [f"network {spoil}" for spoil in self.spoils]
        if self.restart_ledger_after is not None:
            parts.append(f"ledger restarts after {self.restart_ledger_after:.2f}s")
        if self.restart_sandbox:
            parts.append("sandbox restarts")
        parts += [f"run {run}" for run in self.runs]
        return "; ".join(parts)


@dataclass(slots=True)
class _Draw:
    rng: random.Random
    world: World
    dagster_share: float
    events: list[Event] = field(default_factory=list[Event])

    @property
    def timing(self) -> Timing:
        return self.world.timing

    def event(self) -> Event:
        rng, timing = self.rng, self.timing
        kind = rng.random()
        if kind < 0.10:
            return Event(runs=(RunOrder("reconcile"),), wait=rng.choice([0.0, timing.settle + 0.1]))
        together = 1 if kind < 0.65 else rng.choice([2, 2, 3])
        postgres = self.world.ledger == "postgresql"
        return Event(
            runs=tuple(self.run() for _ in range(together)),
            faults=tuple(self.fault() for _ in range(rng.choice([0, 1, 1, 2, 3]))),
            spoils=tuple(self.spoil() for _ in range(rng.choice([0, 0, 1, 2]))),
            restart_ledger_after=(
                rng.uniform(0.0, timing.longest_run) if postgres and rng.random() < 0.15 else None
            ),
            restart_sandbox=rng.random() < 0.02,
            source_changes=rng.choice(self.world.scale.changes),
            wait=rng.choice([0.0, 0.0, 0.0, 0.5]),
        )

    def run(self) -> RunOrder:
        rng, world, timing = self.rng, self.world, self.timing
        partition = ""
        if world.partitioned and rng.random() < 0.6:
            partition = rng.choice(PARTITIONS)
        dagster = rng.random() < self.dagster_share and (bool(partition) or not world.partitioned)
        end = rng.random()
        failpoint = signal_after = pause_after = None
        signal: SignalName = "SIGKILL"
        if end < 0.35:
            action = rng.choice(["kill", "kill", "kill", "interrupt", "raise"])
            points = _DELICATE if rng.random() < 0.5 else _RUN_FAILPOINTS
            failpoint = f"{rng.choice(points)}={action}@{rng.choice([1, 1, 2, 3])}"
        elif end < 0.55:
            signal = rng.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT"])
            signal_after = rng.uniform(0.02, timing.longest_run * (6 if dagster else 1))
        elif end < 0.62:
            pause_after = rng.uniform(0.05, timing.longest_run)
        return RunOrder(
            kind="dagster" if dagster else "sync",
            sync=rng.randrange(len(world.syncs)),
            partition=partition,
            failpoint=failpoint,
            signal=signal,
            signal_after=signal_after,
            start_after=rng.choice([0.0, 0.0, rng.uniform(0.05, timing.longest_run)]),
            pause_after=pause_after,
            # Longer than a lease, and back before the settle time could have passed as well.
            pause_for=rng.uniform(0.3, timing.lease + 0.2),
        )

    def fault(self) -> dict[str, Any]:
        """One ordered fault of the sandbox, mostly for uploads."""
        rng = self.rng
        kind = rng.choice(
            [
                "rate_limited",
                "error_before",
                "error_before",
                "error_after",
                "error_after",
                "reset_before",
                "reset_after",
                "slow",
                "truncate_body",
                "unreadable_body",
                "partial_accept",
                "late_visibility",
            ]
        )
        fault: dict[str, Any] = {
            "kind": kind,
            "path": f"/workflows/{rng.choice(self.world.workflows)}/leads",
        }
        if kind in {"partial_accept", "late_visibility"} or rng.random() < 0.8:
            fault["method"] = "POST"
        else:
            fault["method"] = "GET"
        if kind in {"error_before", "error_after"}:
            fault["status"] = rng.choice([500, 502, 503, 504])
        elif kind == "rate_limited":
            fault |= {"retry_after": rng.choice([0, "date", None]), "seconds": 1.0}
        elif kind == "slow":
            fault["seconds"] = rng.choice(self.timing.slow)
        elif kind == "late_visibility":
            fault["seconds"] = rng.choice(self.timing.hidden)
        elif kind == "partial_accept":
            fault["share"] = rng.choice([0.0, 0.5, 0.9])
        return fault

    def spoil(self) -> Spoil:
        """One connection that the network spoils."""
        rng, timing = self.rng, self.timing
        how = rng.choice(["reset", "reset", "close", "stall"])
        # A short stall is only slow; a long one outlives the client's patience.
        seconds = rng.choice([0.1, timing.longest_delay])
        return Spoil(
            how=how,
            direction=rng.choice(["up", "down"]),
            after_bytes=rng.choice(
                [0, rng.randrange(600), rng.randrange(self.world.scale.longest_body)]
            ),
            seconds=seconds if how == "stall" else 0.0,
        )


def make_schedule(world: World, *, dagster_share: float) -> list[Event]:
    """The events of a world's history, always the same for the same world and share.

    Args:
        dagster_share: how many of the runs go through a real Dagster job, 0 to 1.
    """
    draw = _Draw(random.Random(f"schedule {world.seed}"), world, dagster_share)
    return [draw.event() for _ in range(draw.rng.randint(3, 5))]
