"""Candidates that ask for claims."""

from dialnexa_pipeline.ledger import Candidate, Plan


def candidates(plan: Plan, numbers: range, batch_id: str = "b1") -> list[Candidate]:
    """One candidate per number, keyed by it."""
    return [
        Candidate(
            f"{plan.plan_id}-{batch_id}-{n}", batch_id, n, "wf", f"k{n}", str(n), 919800000000 + n
        )
        for n in numbers
    ]
