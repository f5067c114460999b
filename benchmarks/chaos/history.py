"""One history: events in order, then rest, then the checker."""

import random
import shutil
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from benchmarks.chaos.checker import Checker, Evidence, Verdict
from benchmarks.chaos.child import BROKE, DONE, INTERRUPTED, SAID_NO, Orders
from benchmarks.chaos.children import Child
from benchmarks.chaos.place import Place
from benchmarks.chaos.schedule import Event, RunOrder
from benchmarks.chaos.world import World, add_row, give_number

_ROUNDS = 4


@dataclass(slots=True)
class HistoryResult:
    """What one history was and how it ended.

    Attributes:
        faults: kind → how many were met.
        story: a line per event and per end of a run, for people.
        folder: where its files are kept; None when they are deleted.
    """

    seed: int
    ledger: str
    verdict: Verdict
    runs: int
    faults: Counter[str]
    seconds: float
    story: list[str]
    folder: Path | None = None


@dataclass(slots=True)
class _Started:
    order: RunOrder
    run_id: str
    child: Child
    output: Path
    signalled: bool = False


@dataclass
class History:
    """Plays a world's events in a place."""

    world: World
    events: list[Event]
    place: Place
    mutant: str | None = None
    faults: Counter[str] = field(default_factory=Counter[str])
    story: list[str] = field(default_factory=list[str])
    _runs: int = 0
    _hidden: float = 0.0
    _problems: list[str] = field(default_factory=list[str])
    _source_rows: dict[str, int] = field(default_factory=dict[str, int])
    _planned: dict[tuple[int, str], None] = field(default_factory=dict[tuple[int, str], None])

    def play(self) -> HistoryResult:
        """Everything from the first event to the verdict; files are kept when it is a bad one."""
        started = time.monotonic()
        folder = self.place.folder / f"{self.world.ledger}-{self.world.seed}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._folder = folder
        self._rng = random.Random(f"changes {self.world.seed}")
        self._environment = self.place.prepare(self.world, folder)
        try:
            for number, event in enumerate(self.events):
                self.story.append(f"{number + 1}. {event}")
                self._happen(event)
            verdict = self._rest()
        finally:
            self.place.clean(self._environment)
        verdict.violations[:0] = self._problems
        if not verdict.violations:
            shutil.rmtree(folder, ignore_errors=True)
        return HistoryResult(
            self.world.seed,
            self.world.ledger,
            verdict,
            self._runs,
            self.faults,
            time.monotonic() - started,
            self.story,
            folder if verdict.violations else None,
        )

    def _happen(self, event: Event) -> None:
        time.sleep(event.wait)
        self._change_source(event.source_changes)
        for fault in event.faults:
            self.place.sandbox.control("POST", "faults", fault)
            if fault["kind"] == "late_visibility":
                self._hidden = max(self._hidden, fault["seconds"])
        spoiled = len(self.place.proxy.spoiled)
        for spoil in event.spoils:
            self.place.proxy.order(spoil)
        started = [self._start(order) for order in event.runs]
        helpers = [
            threading.Thread(target=self._disturb, args=(run,))
            for run in started
            if run.order.signal_after is not None or run.order.pause_after is not None
        ]
        if event.restart_ledger_after is not None:
            helpers.append(
                threading.Thread(target=self._restart_ledger, args=(event.restart_ledger_after,))
            )
        for helper in helpers:
            helper.start()
        if event.restart_sandbox:
            self.place.sandbox.stop()
            self.place.sandbox.start()
            self.faults["sandbox restart"] += 1
        for run in started:
            self._await(run)
        for helper in helpers:
            helper.join()
        left = Counter(str(fault["kind"]) for fault in self.place.quieten())
        if not event.restart_sandbox:
            self.faults.update(Counter(fault["kind"] for fault in event.faults) - left)
        self.faults.update(f"network {how}" for how in self.place.proxy.spoiled[spoiled:])

    def _start(self, order: RunOrder) -> _Started:
        time.sleep(order.start_after)
        self._runs += 1
        run_id = str(UUID(int=self._rng.getrandbits(128), version=4))
        config = {}
        if order.kind in {"sync", "dagster"}:
            sync = self.world.syncs[order.sync]
            config = sync.config
            self._source_rows[run_id] = len(self.world.rows_of(sync, order.partition))
            self._planned[(order.sync, order.partition)] = None
            if order.kind == "dagster" and not order.partition:
                config = {k: v for k, v in config.items() if k != "partitions"}
        stem = self._folder / f"run-{self._runs:02d}-{order.kind}"
        output = stem.with_suffix(".log")
        orders = Orders(
            order.kind,
            run_id,
            config,
            order.partition,
            order.failpoint,
            self.mutant,
            str(stem.with_suffix(".dagster")),
        )
        return _Started(
            order, run_id, self.place.family.start(orders, self._environment, output), output
        )

    def _disturb(self, run: _Started) -> None:
        order = run.order
        if order.signal_after is not None:
            if run.child.wait(order.signal_after) is None:
                run.signalled = True
                run.child.send(signal.Signals[order.signal])
                self.faults[order.signal] += 1
        elif order.pause_after is not None and run.child.wait(order.pause_after) is None:
            run.child.send(signal.SIGSTOP)
            time.sleep(order.pause_for)
            run.child.send(signal.SIGCONT)
            self.faults["pause"] += 1

    def _restart_ledger(self, after: float) -> None:
        time.sleep(after)
        self.place.postgres.restart()
        self.faults["ledger restart"] += 1

    def _await(self, run: _Started) -> int | None:
        patience = self.world.timing.patience
        code = run.child.wait(patience)
        armed = run.order.failpoint
        if code is None:
            self._problems.append(f"run {run.output.name} did not end in {patience:.0f} s")
            run.child.send(signal.SIGKILL)
            run.child.wait(patience)
        elif code == -signal.SIGKILL:
            if armed is not None and not run.signalled:
                self.faults[f"failpoint {armed.partition('=')[0]}"] += 1
            elif not run.signalled:
                self._problems.append(f"run {run.output.name} was killed by somebody else")
        elif code == INTERRUPTED:
            if armed is not None and not run.signalled:
                self.faults[f"failpoint {armed.partition('=')[0]}"] += 1
        elif code not in {DONE, SAID_NO} and not run.signalled:
            last = run.output.read_text(errors="replace").strip().splitlines()[-1:]
            said = "".join(last) if code == BROKE else f"exit code {code}"
            self._problems.append(f"run {run.output.name} broke: {said[:160]}")
        self.story.append(f"   {run.output.name} ended with {code}")
        return code

    def _change_source(self, changes: int) -> None:
        for _ in range(changes):
            table = self._rng.choice(sorted(self.world.tables))
            rows = self.world.tables[table]
            kind = self._rng.random()
            if kind < 0.5 or not rows:
                add_row(self.world, table, self._rng)
            elif kind < 0.7:
                rows.remove(self._rng.choice(rows))
            else:
                give_number(self.world, self._rng.choice(rows), self._rng)
        if changes:
            self.place.write_sources(self.world, self._folder)

    def _rest(self) -> Verdict:
        """Quiet rounds until everything holds, and the last verdict when it does not."""
        for index in range(len(self.world.syncs)):
            self._planned[(index, "")] = None
        verdict = Verdict([])
        for _ in range(_ROUNDS):
            self._settle_doubts()
            for index, partition in self._planned:
                self._await(self._start(RunOrder("sync", index, partition)))
            verdict = self._check()
            if not verdict.violations or verdict.doubles:
                break
        return verdict

    def _settle_doubts(self) -> None:
        """The reconcile command, again and again, until no batch is open or time is up."""
        timing = self.world.timing
        longest = timing.lease + 3 * self.world.settle + 10 * timing.longest_run
        deadline = time.monotonic() + longest
        engine = sa.create_engine(self._environment["DIALNEXA_LEDGER_URL"], poolclass=sa.NullPool)
        while time.monotonic() < deadline:
            with engine.connect() as connection:
                if not sa.inspect(connection).has_table("batches"):
                    return
                open_batches = connection.exec_driver_sql(
                    "SELECT workflow_id FROM batches WHERE state IN ('sending', 'in_doubt')"
                ).scalars()
                if not set(open_batches) & set(self.world.workflows):
                    return
            self._await(self._start(RunOrder("release")))
            time.sleep(0.3)

    def _check(self) -> Verdict:
        outputs = [path for path in self._folder.glob("run-*.log") if path.is_file()]
        outputs += [path for path in self._folder.glob("run-*.dagster/**/*") if path.is_file()]
        evidence = Evidence(
            self.world,
            {workflow: self.place.sandbox.leads(workflow) for workflow in self.world.workflows},
            self._environment["DIALNEXA_LEDGER_URL"],
            self._folder / "warehouse.db",
            self._source_rows,
            outputs,
            lease=self.world.timing.lease,
            settle=self.world.settle,
            hidden=self._hidden,
        )
        return Checker(evidence).check()
