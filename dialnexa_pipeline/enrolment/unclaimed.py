"""Leads that get no claim: a row for the ledger, and how many there were of each reason."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from dialnexa_pipeline.ledger import Count, Holder, RefusedRow

_SCREENED = ("workflow_id", "lead_key", "outcome", "reason", "raw_phone", "phone")
_HELD = ("workflow_id", "lead_key", "raw_phone", "phone", "phone_key")


class Unclaimed:
    """Collects leads of one sync that are refused, or whose number somebody holds.

    Attributes:
        rows: what stands in the way; a lead that is itself enrolled already is only counted.
    """

    def __init__(self, sync: str) -> None:
        self._sync = sync
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self.rows: list[RefusedRow] = []

    @property
    def counts(self) -> list[Count]:
        """How many leads, by workflow, outcome and reason."""
        return [Count(*key, leads) for key, leads in self._counts.items()]

    def add_screened(self, leads: pa.Table) -> None:
        """Add leads that have an outcome (columns as `leads.screen` gives them)."""
        rows = [
            RefusedRow(workflow_id or "", key, outcome, reason, None, raw, phone)
            for workflow_id, key, outcome, reason, raw, phone in _rows(leads, _SCREENED)
        ]
        self._counts.update((row.workflow_id, row.outcome, row.reason) for row in rows)
        self.rows += rows

    def add_held(self, leads: pa.Table, holders: Mapping[tuple[str, int], Holder]) -> None:
        """Add leads whose number is not free.

        Args:
            holders: (workflow, phone) → who holds it; a lead that is missing here shares its number
                with another one of the same plan.
        """
        for workflow_id, key, raw, phone, number in _rows(leads, _HELD):
            holder = holders.get((workflow_id, number))
            own = holder is not None and holder.lead_key == key and holder.sync == self._sync
            outcome, reason = held_outcome(holder, own)
            self._counts[workflow_id, outcome, reason] += 1
            if reason != "duplicate/already_enrolled":
                row = RefusedRow(workflow_id, key, outcome, reason, None, raw, phone)
                self.rows.append(row)

    def add(self, others: "Unclaimed") -> None:
        """Add how many others there were; their rows are written down already."""
        self._counts.update(others._counts)


def held_outcome(holder: Holder | None, own: bool) -> tuple[str, str]:
    """Outcome and reason of a lead whose number is not free; `own`: its own claim holds it."""
    if holder is not None and holder.state == "withdrawn":
        return "suppressed", "suppressed/withdrawn"
    if holder is None or not own:
        return "duplicate", "duplicate/same_number"
    if holder.state == "enrolled":
        return "duplicate", "duplicate/already_enrolled"
    if holder.state == "in_doubt" or holder.batch_state == "sending":
        return "in_doubt", "in_doubt/earlier_run"
    return "planned", "planned/other_run"


def _rows(leads: pa.Table, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(leads[column].to_pylist() for column in columns), strict=True)
