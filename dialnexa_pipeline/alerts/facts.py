"""What is known at one moment, of the ledger and of runs that ended; alerts are decided by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dialnexa_pipeline.ledger import Doubt, HeldPlan, Ledger, ReadyPlan, Stop

# What a run was to do: the whole sync or its sending; only screening, planning or records; settle.
RunScope = Literal["sync", "part", "reconcile"]


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run of a sync that succeeded or failed.

    Attributes:
        why: a sentence of a failed run, without personal data; empty for one that succeeded.
        guard_held: it failed because a guard held its plan.
    """

    run_id: str
    sync: str
    partition_key: str
    scope: RunScope
    succeeded: bool
    ended_at: datetime
    why: str = ""
    guard_held: bool = False


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """Everything that waits in the ledger, and plans that lately became ready, oldest first."""

    doubts: tuple[Doubt, ...] = ()
    held: tuple[HeldPlan, ...] = ()
    stops: tuple[Stop, ...] = ()
    plans: tuple[ReadyPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Ledger and runs at a moment; `runs` are those that ended lately, in the order they did."""

    now: datetime
    ledger: LedgerFacts
    runs: tuple[EndedRun, ...] = ()


def read_ledger(ledger: Ledger, *, plans_after: datetime) -> LedgerFacts:
    """What the ledger knows now, in four short questions."""
    return LedgerFacts(
        tuple(ledger.watching.doubts()),
        tuple(ledger.approvals.held()),
        tuple(ledger.switches.standing()),
        tuple(ledger.watching.ready_plans(after=plans_after)),
    )
