"""Leads that get no claim: rows for the ledger, and how many there were of each reason."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.ledger import NOBODY, REFUSED, Count, HeldNumbers, Holder, key_hashes

_REASON = ("workflow_id", "outcome", "reason")
_WITHDRAWN = ("suppressed", "suppressed/withdrawn")
_SAME_NUMBER = ("duplicate", "duplicate/same_number")
_ENROLLED = ("duplicate", "duplicate/already_enrolled")
_IN_DOUBT = ("in_doubt", "in_doubt/earlier_run")
_PLANNED = ("planned", "planned/other_run")
_HELD = (_WITHDRAWN, _SAME_NUMBER, _ENROLLED, _IN_DOUBT, _PLANNED)


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

    def add_held(self, leads: pa.Table, held: HeldNumbers, places: npt.NDArray[np.int64]) -> None:
        """Add leads whose number is not free.

        Args:
            places: the holder of each (`HeldNumbers.places_of`); a lead of `NOBODY` shares its
                number with another one of the same plan.
        """
        kinds = self._kinds(leads, held, places)
        outcomes, reasons = (pa.array(texts, pa.string()) for texts in zip(*_HELD, strict=True))
        columns = {name: leads[name] for name in ("workflow_id", "lead_key", "raw_phone", "phone")}
        self._add(
            pa.table({**columns, "outcome": outcomes.take(kinds), "reason": reasons.take(kinds)})
        )

    def _kinds(self, leads: pa.Table, held: HeldNumbers, places: npt.NDArray[np.int64]) -> pa.Array:
        """The place in `_HELD` of what each lead becomes, as `held_outcome` says of single ones."""
        is_held = places != NOBODY
        holders = held.table.take(pa.array(places, mask=~is_held))

        def says(column: str, value: str) -> npt.NDArray[np.bool_]:
            return pc.fill_null(pc.equal(holders[column], value), False).to_numpy()

        hashes = pa.array(key_hashes(leads["lead_key"]))
        is_own = (
            says("sync", self._sync)
            & pc.fill_null(pc.equal(holders["key_hash"], hashes), False).to_numpy()
        )
        kinds = np.select(
            [
                says("state", "withdrawn"),
                ~is_own,
                says("state", "enrolled"),
                says("state", "in_doubt") | says("batch_state", "sending"),
            ],
            list(map(_HELD.index, (_WITHDRAWN, _SAME_NUMBER, _ENROLLED, _IN_DOUBT))),
            _HELD.index(_PLANNED),
        )
        return pa.array(kinds)

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
        return _WITHDRAWN
    if holder is None or not own:
        return _SAME_NUMBER
    if holder.state == "enrolled":
        return _ENROLLED
    if holder.state == "in_doubt" or holder.batch_state == "sending":
        return _IN_DOUBT
    return _PLANNED
