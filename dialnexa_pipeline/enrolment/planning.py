"""Turn screened leads into claims, then into batch files: the preview of what would be sent."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.enrolment.destinations import Barred, Destinations, barred_of, counted
from dialnexa_pipeline.enrolment.erasing import ErasedPeople, redact_staged
from dialnexa_pipeline.enrolment.filling import BatchLimits, OpenBatches
from dialnexa_pipeline.enrolment.lease import planning_heartbeat
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import (
    VARIABLE_PREFIX,
    csv_lines,
)
from dialnexa_pipeline.ledger import (
    Account,
    Candidates,
    Count,
    Hold,
    Holder,
    Ledger,
    Plan,
    RefusedRow,
    enrolment_refs,
)
from dialnexa_pipeline.phones import METADATA_VERSION
from dialnexa_pipeline.store import Store

_CHUNK_ROWS = 32_768


def plan_leads(
    plan: Plan,
    staged: str,
    *,
    ledger: Ledger,
    store: Store,
    limits: BatchLimits,
    dedupe: timedelta | None,
    guard: Callable[[Account], Hold | None] = lambda _account: None,
    destinations: Destinations | None = None,
    erasure_key: str = "",
) -> tuple[Barred, ...]:
    """Claim every eligible lead of the staged file and write the batch files.

    Order (docs/design.md, invariant 2): the claim is committed, then the file is on disk, then the
    batch becomes sendable when the whole plan is ready.

    Args:
        guard: judges the whole plan before it is ready, so that a plan it holds is never sendable.
        destinations: tells which of the leads to be planned may not be called.
        erasure_key: recognises erased people; needed only when there are any.

    Returns:
        The leads that may not be called: refused, or planned if `destinations` does not enforce.

    Raises:
        ConfigError: people were erased, and the key is missing or another one.
        PlanSuperseded: another run planned the same sync and partition meanwhile.
        StoreError: the staged file is missing or a batch file cannot be written.
    """
    reach("plan.begun")
    erased = ErasedPeople.of(ledger, erasure_key)
    planner = _Planner(plan, ledger, store, limits, dedupe=dedupe, destinations=destinations)
    rows = 0
    with (
        planning_heartbeat(ledger, plan),
        store.open_local(staged) as local,
        pq.ParquetFile(local) as parquet,
    ):
        for batch in parquet.iter_batches(batch_size=_CHUNK_ROWS):
            rows += batch.num_rows
            leads = pa.Table.from_batches([batch])
            planner.take(erased.redact(leads) if erased is not None else leads)
        planner.close_all()
    account = replace(ledger.accounts.of_plan(plan.plan_id), source_rows=rows)
    ledger.plans.make_ready(
        plan, source_rows=rows, phone_metadata=METADATA_VERSION, hold=guard(account)
    )
    reach("plan.ready")
    if erased is not None and erased.met:
        redact_staged(store, staged, erased.are_theirs)
    return barred_of(planner.barred)


class _Planner:
    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        store: Store,
        limits: BatchLimits,
        *,
        dedupe: timedelta | None,
        destinations: Destinations | None,
    ) -> None:
        self.barred: Counter[tuple[str, str]] = Counter()
        self._destinations = destinations
        self._plan = plan
        self._ledger = ledger
        self._limits = limits
        self._dedupe = dedupe
        self._batches = OpenBatches(plan, limits, ledger, store)
        self._seq = 0
        self._refused: list[RefusedRow] = []
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def take(self, leads: pa.Table) -> None:
        """Plan one chunk of screened leads (columns as `leads.screen` gives them)."""
        undecided = pc.is_null(leads["outcome"])
        self._refuse_screened(leads.filter(pc.invert(undecided)))
        eligible = leads.filter(undecided)
        if eligible.num_rows:
            self._plan_eligible(eligible)
        self._note_refused()

    def close_all(self) -> None:
        """Write the files that are still open, and what was counted."""
        self._batches.write_all()
        counts = [Count(*key, leads) for key, leads in self._counts.items()]
        self._ledger.plans.refuse(self._plan, [], counts)

    def _plan_eligible(self, leads: pa.Table) -> None:
        workflows = leads["workflow_id"].combine_chunks().dictionary_encode()
        names: list[str] = workflows.dictionary.to_pylist()
        codes = workflows.indices.to_numpy().astype(np.int64)
        phones = leads["phone_key"].to_numpy()
        by_code = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[by_code], np.arange(len(names) + 1))
        wanted = {
            name: phones[by_code[first:last]].tolist()
            for name, first, last in zip(names, bounds[:-1], bounds[1:], strict=True)
        }
        if self._dedupe is not None:
            self._ledger.plans.expire(wanted, older_than=self._dedupe)
        holders = self._ledger.plans.find_holders(wanted)
        is_held = np.zeros(leads.num_rows, np.bool_)
        if holders:
            held = np.fromiter((phone for _, phone in holders), np.int64, len(holders))
            for row in np.flatnonzero(np.isin(phones, held)).tolist():
                is_held[row] = (names[codes[row]], int(phones[row])) in holders
        is_barred = self._refuse_barred(leads, ~is_held)
        is_free = _first_of_each(codes, phones) & ~is_held & ~is_barred
        # The rows of a workflow lie side by side, each workflow's in the source's order.
        free = np.flatnonzero(is_free)
        free = free[np.argsort(codes[free], kind="stable")]
        lost = self._claim(leads.take(free), names, codes[free])
        if lost:
            # Another run was faster between the look and the claim: the database decided.
            rows = free[lost]
            again = {name: phones[rows][codes[rows] == n].tolist() for n, name in enumerate(names)}
            holders |= self._ledger.plans.find_holders(again)
            is_free[rows] = False
        self._refuse_held(leads.filter(pa.array(~is_free & ~is_barred)), holders)

    def _refuse_barred(
        self, leads: pa.Table, may_claim: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Count leads that may not be called, and refuse them when that is enforced.

        A lead whose number is held already is not judged: nothing of it would be sent.

        Returns:
            The rows that were refused.
        """
        nobody = np.zeros(leads.num_rows, np.bool_)
        if self._destinations is None:
            return nobody
        reasons = pc.if_else(
            pa.array(may_claim), self._destinations.reasons(leads), pa.scalar(None, pa.string())
        )
        found = counted(reasons, leads["country"])
        self.barred += found
        if not found or not self._destinations.enforced:
            return nobody
        is_barred = pc.is_valid(reasons)
        refused = leads.set_column(
            leads.column_names.index("reason"), "reason", pa.chunked_array([reasons])
        ).filter(is_barred)
        invalid = pa.repeat("invalid", refused.num_rows)
        self._refuse_screened(
            refused.set_column(refused.column_names.index("outcome"), "outcome", invalid)
        )
        return is_barred.to_numpy(zero_copy_only=False)

    def _claim(
        self, leads: pa.Table, names: Sequence[str], codes: npt.NDArray[np.int64]
    ) -> list[int]:
        """Claim free leads and write the files that are full.

        Args:
            names: the workflows; `codes` are those of the rows, in rising order.

        Returns:
            The rows that another run took first.
        """
        if leads.num_rows == 0:
            return []
        start = self._seq
        self._seq += leads.num_rows
        columns = self._uploaded(leads, start)
        lines = csv_lines(columns)
        keys: list[str] = leads["lead_key"].to_pylist()
        raw: list[str] = leads["raw_phone"].to_pylist()
        phones: list[int] = leads["phone_key"].to_pylist()
        sizes = pc.binary_length(lines).to_numpy().astype(np.int64)
        bounds = np.searchsorted(codes, np.arange(len(names) + 1)).tolist()
        shares = [
            share
            for name, first, last in zip(names, bounds[:-1], bounds[1:], strict=True)
            if last > first
            for share in self._batches.assign(
                name, columns.column_names, sizes[first:last], first=first
            )
        ]
        lost = self._ledger.plans.claim(
            self._plan,
            [
                Candidates(
                    share.batch_id,
                    share.workflow_id,
                    start + share.rows.start,
                    keys[share.rows.start : share.rows.stop],
                    raw[share.rows.start : share.rows.stop],
                    phones[share.rows.start : share.rows.stop],
                )
                for share in shares
            ],
            ref_column=self._limits.ref_column,
            hold_absent=self._limits.hold_absent,
        )
        reach("plan.claimed")
        won = np.ones(leads.num_rows, np.bool_)
        won[[place - start for place in lost]] = False
        content = pa.table({"line": lines}) if self._limits.format == "csv" else columns
        for share in shares:
            rows = share.rows.start + np.flatnonzero(won[share.rows.start : share.rows.stop])
            # A copy: a slice would keep the whole chunk in memory, however slowly a file fills.
            self._batches.fill(share, content.take(pa.array(rows)))
        self._batches.write_full()
        return np.flatnonzero(~won).tolist()

    def _uploaded(self, leads: pa.Table, first_seq: int) -> pa.Table:
        """The columns of the file: phone_number, the variables, and the correlation column."""
        columns = {"phone_number": leads["phone"]}
        for name in leads.column_names:
            if name.startswith(VARIABLE_PREFIX):
                columns[name.removeprefix(VARIABLE_PREFIX)] = leads[name]
        if self._limits.ref_column is not None:
            places = np.arange(first_seq, first_seq + leads.num_rows)
            refs = enrolment_refs(self._plan.plan_id, places)
            columns[self._limits.ref_column] = pa.chunked_array([refs])
        return pa.table(columns)

    def _refuse_screened(self, leads: pa.Table) -> None:
        columns = ("workflow_id", "lead_key", "outcome", "reason", "raw_phone", "phone")
        rows = [
            RefusedRow(workflow_id or "", key, outcome, reason, None, raw, phone)
            for workflow_id, key, outcome, reason, raw, phone in _rows(leads, columns)
        ]
        self._refused += rows
        self._counts.update((row.workflow_id, row.outcome, row.reason) for row in rows)

    def _refuse_held(self, leads: pa.Table, holders: Mapping[tuple[str, int], Holder]) -> None:
        wanted = ("workflow_id", "lead_key", "raw_phone", "phone", "phone_key")
        for workflow_id, key, raw, phone, number in _rows(leads, wanted):
            holder = holders.get((workflow_id, number))
            own = holder is not None and holder.lead_key == key and holder.sync == self._plan.sync
            outcome, reason = held_outcome(holder, own)
            self._counts[workflow_id, outcome, reason] += 1
            if reason != "duplicate/already_enrolled":
                row = RefusedRow(workflow_id, key, outcome, reason, None, raw, phone)
                self._refused.append(row)

    def _note_refused(self) -> None:
        if self._refused:
            self._ledger.plans.refuse(self._plan, self._refused, [])
            self._refused = []


def _first_of_each(
    codes: npt.NDArray[np.int64], phones: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which rows are the first with their workflow and phone."""
    order = np.lexsort((phones, codes))
    is_first = np.ones(len(order), np.bool_)
    is_first[order[1:]] = (np.diff(codes[order]) != 0) | (np.diff(phones[order]) != 0)
    return is_first


def _rows(leads: pa.Table, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(leads[column].to_pylist() for column in columns), strict=True)


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
