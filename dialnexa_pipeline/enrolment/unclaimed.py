"""Leads that get no claim: rows for the ledger, and how many there were of each reason."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections import Counter
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.ledger import REFUSED, Count, Holder, key_hashes

_REASON = ("workflow_id", "outcome", "reason")


class Unclaimed:
    """Collects leads of one sync that are refused, or whose number somebody holds."""

    def __init__(self, sync: str) -> None:
        self._sync = sync
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._rows: list[pa.Table] = []

    @property
    def rows(self) -> pa.Table:
        """What stands in the way; a lead that is itself enrolled already is only counted."""
        return pa.concat_tables([REFUSED.empty_table(), *self._rows])

    @property
    def counts(self) -> list[Count]:
        """How many leads, by workflow, outcome and reason."""
        return [Count(*key, leads) for key, leads in self._counts.items()]

    def add_screened(self, leads: pa.Table) -> None:
        """Add leads that have an outcome (columns as `leads.screen` gives them)."""
        workflows = pc.fill_null(leads["workflow_id"], "")
        self._add(
            leads.set_column(leads.column_names.index("workflow_id"), "workflow_id", workflows)
        )

    def add_held(self, leads: pa.Table, holders: Mapping[tuple[str, int], Holder]) -> None:
        """Add leads whose number is not free.

        Args:
            holders: (workflow, phone) → who holds it; a lead that is missing here shares its number
                with another one of the same plan.
        """
        outcomes: list[str] = []
        reasons: list[str] = []
        hashes = key_hashes(leads["lead_key"]).tolist()
        numbers = (leads[name].to_pylist() for name in ("workflow_id", "phone_key"))
        for key_hash, *number in zip(hashes, *numbers, strict=True):
            holder = holders.get((number[0], number[1]))
            own = holder is not None and holder.key_hash == key_hash and holder.sync == self._sync
            outcome, reason = held_outcome(holder, own)
            outcomes.append(outcome)
            reasons.append(reason)
        found = {
            "outcome": pa.array(outcomes, pa.string()),
            "reason": pa.array(reasons, pa.string()),
        }
        columns = {name: leads[name] for name in ("workflow_id", "lead_key", "raw_phone", "phone")}
        self._add(pa.table({**columns, **found}))

    def _add(self, leads: pa.Table) -> None:
        for row in leads.group_by(_REASON).aggregate([([], "count_all")]).to_pylist():
            self._counts[row["workflow_id"], row["outcome"], row["reason"]] += row["count_all"]
        in_the_way = leads.filter(pc.not_equal(leads["reason"], "duplicate/already_enrolled"))
        if in_the_way.num_rows:
            detail = pa.nulls(in_the_way.num_rows, pa.string())
            self._rows.append(in_the_way.append_column("detail", detail).select(REFUSED.names))

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
