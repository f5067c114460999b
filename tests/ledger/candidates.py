"""Candidates that ask for claims, and what they get."""

from collections.abc import Sequence

import pyarrow as pa

from dialnexa_pipeline.ledger import Candidates, Ledger, Plan


def candidates(
    numbers: Sequence[int],
    batch_id: str = "b1",
    *,
    workflow: str = "wf",
    first_seq: int = 0,
    keys: Sequence[str] | None = None,
) -> Candidates:
    """One candidate per number, keyed by it unless `keys` are given."""
    return Candidates(
        batch_id,
        workflow,
        first_seq,
        pa.array(keys if keys is not None else [f"k{n}" for n in numbers], pa.string()),
        pa.array([str(n) for n in numbers], pa.string()),
        pa.array([919800000000 + n for n in numbers], pa.int64()),
    )


def claim(
    ledger: Ledger,
    plan: Plan,
    numbers: Sequence[int],
    batch_id: str = "b1",
    *,
    workflow: str = "wf",
    first_seq: int | None = None,
    ref_column: str | None = None,
    hold_absent: bool = False,
) -> set[int]:
    """Ask for claims; the numbers that won.

    Args:
        first_seq: place of the first number in the plan; the number itself unless given.
    """
    first = numbers[0] if first_seq is None else first_seq
    lost = ledger.plans.claim(
        plan,
        [candidates(numbers, batch_id, workflow=workflow, first_seq=first)],
        ref_column=ref_column,
        hold_absent=hold_absent,
    )
    return {number for place, number in enumerate(numbers, first) if place not in lost}
