"""A world made from a seed: source rows, syncs and how DialNexa answers in it."""

import random
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from benchmarks.chaos.scale import SMALL, Scale, Timing
from dialnexa_pipeline.sandbox.behaviour import ErrorForm

Verdict = Literal["callable", "invalid", "refused"]
Ledger = Literal["sqlite", "postgresql"]

PARTITIONS = ("2026-01-01", "2026-01-02", "2026-01-03")
ERROR_FORMS = get_args(ErrorForm)
_INVALID = ("", "12345", "9.8765E9", "none", "98765 1234", "+9198765123456")


@dataclass(slots=True)
class SourceRow:
    """One row of a source table, with what must become of it.

    Attributes:
        phone: the number in E.164 that `mobile` spells; None when it spells none.
        verdict: whether the number may be called, is refused by our checks, or by DialNexa.
    """

    key: int
    mobile: str
    name: str
    workflow: str
    day: str
    phone: str | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Sync:
    """A sync of the world: its configuration as YAML would say it, and the table it reads."""

    config: dict[str, Any]
    table: str

    @property
    def name(self) -> str:
        return str(self.config["name"])

    @property
    def workflow(self) -> str | None:
        """The only workflow; None when a column names it."""
        return self.config.get("workflow")


@dataclass(slots=True)
class World:
    """Everything that a history begins with."""

    seed: int
    ledger: Ledger
    scale: Scale
    warehouse: Literal["duckdb", "sqlite"]
    syncs: list[Sync]
    tables: dict[str, list[SourceRow]]
    workflows: list[str]
    behaviour: dict[str, Any]
    foreign: dict[str, list[str]]
    partitioned: bool
    missing_workflow: str | None
    phones: "PhoneBook" = field(repr=False)

    @property
    def has_refs(self) -> bool:
        """Whether every sync sends the column that tells its leads from others'."""
        return all(sync.config.get("enrolment_ref", "") is not None for sync in self.syncs)

    @property
    def timing(self) -> Timing:
        return self.scale.timing

    @property
    def settle(self) -> float:
        """The settle time."""
        return self.timing.settle if self.has_refs else self.timing.settle_without_refs

    @property
    def refused(self) -> float:
        """Share of rows with a number that DialNexa refuses."""
        unnamed = self.behaviour.get("error_form") == "unattributed"
        return self.scale.refused_unnamed if unnamed else self.scale.refused

    def rows_of(self, sync: Sync, partition: str) -> list[SourceRow]:
        """The rows that a run of a sync and partition reads; all of them for ``""``."""
        return [row for row in self.tables[sync.table] if partition in {"", row.day}]


class PhoneBook:
    """Hands out numbers: each once unless a repetition is asked for.

    Attributes:
        all_digits: of every number in the world, as they stand in logs without a country code.
    """

    def __init__(self, rng: random.Random, numbers: int) -> None:
        self._rng = rng
        self._free = iter(rng.sample(range(100_000), numbers))
        self.callable: list[str] = []
        self.all_digits: set[str] = set()

    def fresh(self) -> str:
        """A number in India that nobody has yet."""
        phone = f"+9198765{next(self._free):05d}"
        self.callable.append(phone)
        self.all_digits.add(phone[3:])
        return phone

    def refused(self) -> str:
        """A valid number in a country that the workspace may not call."""
        phone = f"+49151123{next(self._free):05d}"
        self.all_digits.add(phone[3:])
        return phone

    def spelling(self, phone: str) -> str:
        """One of the ways in which people write a number."""
        if not phone.startswith("+91"):
            return phone
        national = phone[3:]
        return self._rng.choice(
            [phone, national, f"{national[:5]} {national[5:]}", f"0{national}", f"{national}.0"]
        )


def make_world(seed: int, ledger: Ledger, scale: Scale = SMALL) -> World:
    """The same world for the same seed, ledger and scale, always."""
    rng = random.Random(f"world {seed}")
    phones = PhoneBook(rng, scale.numbers)
    mark = f"{ledger[:2]}{seed}"
    routed = rng.random() < 0.35
    workflows = [f"wf_{mark}_{letter}" for letter in "abc"[: rng.choice([2, 3]) if routed else 1]]
    partitioned = rng.random() < 0.35
    missing = f"wf_{mark}_missing" if routed and rng.random() < 0.2 else None
    world = World(
        seed=seed,
        ledger=ledger,
        scale=scale,
        warehouse="duckdb" if rng.random() < 0.25 else "sqlite",
        syncs=[],
        tables={"leads_a": []},
        workflows=workflows,
        behaviour=_behaviour(rng),
        foreign={},
        partitioned=partitioned,
        missing_workflow=missing,
        phones=phones,
    )
    for _ in range(rng.choice(scale.rows)):
        add_row(world, "leads_a", rng)
    world.syncs.append(_sync(rng, "chaos_a", "leads_a", world, routed=routed))
    if rng.random() < 0.4:
        second = "leads_a" if rng.random() < 0.3 else "leads_b"
        if second == "leads_b":
            world.tables["leads_b"] = []
            for _ in range(rng.choice(scale.rows_b)):
                add_row(world, "leads_b", rng)
        world.syncs.append(_sync(rng, "chaos_b", second, world, routed=routed))
    world.foreign = _foreign(rng, world)
    for numbers in world.foreign.values():
        phones.all_digits.update(phone[3:] for phone in numbers)
    return world


def plain_world(sync: Sync, rows: list[SourceRow]) -> World:
    """A world without chance: one sync of one workflow, SQLite everywhere, default answers."""
    phones = PhoneBook(random.Random(0), SMALL.numbers)
    phones.all_digits.update(row.phone[3:] for row in rows if row.phone is not None)
    return World(
        seed=0,
        ledger="sqlite",
        scale=SMALL,
        warehouse="sqlite",
        syncs=[sync],
        tables={sync.table: rows},
        workflows=[sync.config["workflow"]],
        behaviour={},
        foreign={},
        partitioned=False,
        missing_workflow=None,
        phones=phones,
    )


def add_row(world: World, table: str, rng: random.Random) -> SourceRow:
    """Append a row: mostly somebody new, else a repetition or something that cannot be called."""
    rows = world.tables[table]
    # Keys ascend in every table.
    key = max((each[-1].key for each in world.tables.values() if each), default=0) + 1
    workflows = [*world.workflows]
    if world.missing_workflow is not None and rng.random() < 0.1:
        workflows = [world.missing_workflow]
    row = SourceRow(
        key, "", f"Name {key}", rng.choice(workflows), rng.choice(PARTITIONS), None, "invalid"
    )
    give_number(world, row, rng)
    rows.append(row)
    return row


def give_number(world: World, row: SourceRow, rng: random.Random) -> None:
    """Put a number into a row, and with it the verdict."""
    kind, known = rng.random(), world.phones.callable
    row.name = f"Name {row.key}"
    if kind < 0.10:
        row.mobile, row.phone, row.verdict = rng.choice(_INVALID), None, "invalid"
        return
    if kind < 0.10 + world.refused:
        row.phone, row.verdict = world.phones.refused(), "refused"
    elif kind < 0.32 and known:
        row.phone, row.verdict = rng.choice(known), "callable"
    else:
        row.phone, row.verdict = world.phones.fresh(), "callable"
    row.mobile = world.phones.spelling(row.phone)
    if rng.random() < 0.04:
        row.name, row.verdict = " ", "invalid"


def _sync(rng: random.Random, name: str, table: str, world: World, *, routed: bool) -> Sync:
    config: dict[str, Any] = {
        "name": name,
        "source": {"table": table, "key": "id", "phone": "mobile", "default_country": "IN"},
        "variables": {"name": "name"},
        "required_variables": ["name"],
        "batch": {
            "max_rows": rng.choice(world.scale.max_rows),
            "format": "xlsx" if rng.random() < 0.1 else "csv",
        },
    }
    if world.partitioned:
        config["source"]["updated_at"] = "updated_at"
        config["partitions"] = {"every": "day", "start": PARTITIONS[0]}
    config |= {"workflow_column": "workflow"} if routed else {"workflow": world.workflows[0]}
    if rng.random() < 0.2:
        config["enrolment_ref"] = None
    if rng.random() < 0.15:
        config["in_doubt"] = "hold"
    return Sync(config, table)


def _behaviour(rng: random.Random) -> dict[str, Any]:
    return {
        "upload_form": rng.choice(["map", "map", "count", "one"]),
        "upload_status": rng.choice([200, 201]),
        "list_form": rng.choice(["whole", "paged"]),
        "error_form": rng.choice(ERROR_FORMS),
        "first_position": rng.choice([0, 1, 2]),
    }


def _foreign(rng: random.Random, world: World) -> dict[str, list[str]]:
    """Numbers that somebody else enrols in our workflows: other people, or (where our leads
    carry a reference) some of ours."""
    found: dict[str, list[str]] = {}
    for workflow in world.workflows:
        if rng.random() < 0.4:
            numbers = [
                f"+9198764{rng.randrange(100_000):05d}"
                for _ in range(rng.randint(1, world.scale.foreign))
            ]
            if world.has_refs:
                known = world.phones.callable
                numbers += rng.sample(known, min(world.scale.shared, len(known)))
            found[workflow] = sorted(set(numbers))
    return found
