"""Turn screened leads into claims, then into batch files: the preview of what would be sent."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.enrolment.erasing import ErasedPeople, redact_staged
from dialnexa_pipeline.enrolment.lease import planning_heartbeat
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import (
    VARIABLE_PREFIX,
    Rotation,
    csv_file,
    csv_header_bytes,
    csv_lines,
    render_xlsx,
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
    enrolment_ref,
)
from dialnexa_pipeline.phones import METADATA_VERSION
from dialnexa_pipeline.store import Store

_CHUNK_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What a sync asks of its batches.

    Attributes:
        ref_column: header of the correlation column; None turns it off.
        hold_absent: rows that are proved absent after a doubt wait for a person.
    """

    format: str
    max_rows: int
    max_bytes: int
    ref_column: str | None
    hold_absent: bool = False


@dataclass(slots=True)
class _OpenBatch:
    """A batch that still takes rows: what was claimed waits here until the file is written.

    `rows` and `size` count what was assigned, also rows that another run claimed first.
    """

    batch_id: str
    workflow_id: str
    rows: int = 0
    size: int = 0
    pieces: list[pa.Table] = field(default_factory=list[pa.Table])


def plan_leads(
    plan: Plan,
    staged: str,
    *,
    ledger: Ledger,
    store: Store,
    limits: BatchLimits,
    dedupe: timedelta | None,
    guard: Callable[[Account], Hold | None] = lambda _account: None,
    erasure_key: str = "",
) -> None:
    """Claim every eligible lead of the staged file and write the batch files.

    Order (docs/design.md, invariant 2): the claim is committed, then the file is on disk, then the
    batch becomes sendable when the whole plan is ready.

    Args:
        guard: judges the whole plan before it is ready, so that a plan it holds is never sendable.
        erasure_key: recognises erased people; needed only when there are any.

    Raises:
        ConfigError: people were erased, and the key is missing or another one.
        PlanSuperseded: another run planned the same sync and partition meanwhile.
        StoreError: the staged file is missing or a batch file cannot be written.
    """
    reach("plan.begun")
    erased = ErasedPeople.of(ledger, erasure_key)
    planner = _Planner(plan, ledger, store, limits, dedupe)
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


class _Planner:
    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        store: Store,
        limits: BatchLimits,
        dedupe: timedelta | None,
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._store = store
        self._limits = limits
        self._dedupe = dedupe
        self._open: dict[str, _OpenBatch] = {}
        self._seq = 0
        self._names: list[str] = []

    def take(self, leads: pa.Table) -> None:
        """Plan one chunk of screened leads (columns as `leads.screen` gives them)."""
        undecided = pc.is_null(leads["outcome"])
        self._refuse_screened(leads.filter(pc.invert(undecided)))
        eligible = leads.filter(undecided)
        for workflow_id in pc.unique(eligible["workflow_id"]).to_pylist():
            of_workflow = eligible.filter(pc.equal(eligible["workflow_id"], workflow_id))
            self._plan_workflow(workflow_id, of_workflow)

    def close_all(self) -> None:
        for workflow_id in list(self._open):
            self._close(workflow_id)

    def _plan_workflow(self, workflow_id: str, leads: pa.Table) -> None:
        phones = leads["phone_key"].to_numpy()
        listed: list[int] = phones.tolist()
        if self._dedupe is not None:
            self._ledger.plans.expire(workflow_id, listed, older_than=self._dedupe)
        holders = self._ledger.plans.find_holders(workflow_id, listed)
        is_free = np.zeros(len(phones), np.bool_)
        is_free[np.unique(phones, return_index=True)[1]] = True
        if holders:
            is_free &= ~np.isin(phones, np.fromiter(holders, np.int64, len(holders)))
        free = np.flatnonzero(is_free)
        lost = self._claim(workflow_id, leads.take(free))
        if len(lost):
            # Another run was faster between the look and the claim: the database decided.
            holders |= self._ledger.plans.find_holders(workflow_id, phones[free[lost]].tolist())
            is_free[free[lost]] = False
        self._refuse_held(leads.filter(pa.array(~is_free)), holders)

    def _claim(self, workflow_id: str, leads: pa.Table) -> list[int]:
        """Claim free leads, batch by batch; return the rows that another run took first."""
        if leads.num_rows == 0:
            return []
        start = self._seq
        self._seq += leads.num_rows
        columns = self._uploaded(leads, start)
        lines = csv_lines(columns)
        keys: list[str] = leads["lead_key"].to_pylist()
        raw: list[str] = leads["raw_phone"].to_pylist()
        phones: list[int] = leads["phone_key"].to_pylist()
        pieces = pa.table({"line": lines}) if self._limits.format == "csv" else columns
        lost: list[int] = []
        for batch, first, last in self._assign(workflow_id, columns.column_names, lines):
            refused = self._ledger.plans.claim(
                self._plan,
                Candidates(
                    batch.batch_id,
                    workflow_id,
                    start + first,
                    keys[first:last],
                    [text or "" for text in raw[first:last]],
                    phones[first:last],
                ),
                ref_column=self._limits.ref_column,
                hold_absent=self._limits.hold_absent,
            )
            reach("plan.claimed")
            piece = pieces.slice(first, last - first)
            if refused:
                lost += [place - start for place in sorted(refused)]
                won = np.ones(last - first, np.bool_)
                won[[place - start - first for place in refused]] = False
                piece = piece.filter(pa.array(won))
            batch.pieces.append(piece)
            if batch is not self._open.get(workflow_id):
                self._write(batch)
        return lost

    def _uploaded(self, leads: pa.Table, first_seq: int) -> pa.Table:
        """The columns of the file: phone_number, the variables, and the correlation column."""
        columns = {"phone_number": leads["phone"]}
        for name in leads.column_names:
            if name.startswith(VARIABLE_PREFIX):
                columns[name.removeprefix(VARIABLE_PREFIX)] = leads[name]
        if self._limits.ref_column is not None:
            places = range(first_seq, first_seq + leads.num_rows)
            refs = [enrolment_ref(self._plan.plan_id, place) for place in places]
            columns[self._limits.ref_column] = pa.chunked_array([pa.array(refs, pa.string())])
        self._names = list(columns)
        return pa.table(columns)

    def _assign(
        self, workflow_id: str, names: Sequence[str], lines: pa.Array
    ) -> Iterator[tuple[_OpenBatch, int, int]]:
        """Cut consecutive rows into batches bounded by rows and bytes; the last stays open."""
        rotation = Rotation(self._limits.max_rows, self._limits.max_bytes, csv_header_bytes(names))
        sizes = pc.binary_length(lines).to_numpy().astype(np.int64)
        batch = self._open.pop(workflow_id, None) or _OpenBatch(secrets.token_hex(8), workflow_id)
        ends, rows, size = rotation.ends(sizes, rows=batch.rows, size=batch.size)
        first = 0
        for end in ends:
            if end > first:
                yield batch, first, end
            else:
                self._write(batch)
            batch = _OpenBatch(secrets.token_hex(8), workflow_id)
            first = end
        if rows:
            batch.rows, batch.size = rows, size
            self._open[workflow_id] = batch
            if first < len(sizes):
                yield batch, first, len(sizes)

    def _close(self, workflow_id: str) -> None:
        self._write(self._open.pop(workflow_id))

    def _write(self, batch: _OpenBatch) -> None:
        table = pa.concat_tables(batch.pieces)
        batch.pieces.clear()
        if table.num_rows == 0:
            return
        if self._limits.format == "csv":
            content = csv_file(self._names, table["line"].chunks)
        else:
            content = render_xlsx(table)
        path = batch_path(self._plan, batch.workflow_id, batch.batch_id, self._limits.format)
        stored = self._store.write(path, content)
        reach("plan.file_written")
        self._ledger.plans.batch_is_on_disk(
            batch.batch_id,
            file_path=path,
            sha256=stored.sha256,
            file_bytes=stored.bytes,
            row_count=table.num_rows,
        )
        reach("plan.file_noted")

    def _refuse_screened(self, leads: pa.Table) -> None:
        columns = ("workflow_id", "lead_key", "outcome", "reason", "raw_phone", "phone")
        rows = [
            RefusedRow(workflow_id or "", key, outcome, reason, None, raw, phone)
            for workflow_id, key, outcome, reason, raw, phone in _rows(leads, columns)
        ]
        counts = Counter((row.workflow_id, row.outcome, row.reason) for row in rows)
        self._refuse(rows, counts)

    def _refuse_held(self, leads: pa.Table, holders: dict[int, Holder]) -> None:
        counts: Counter[tuple[str, str, str]] = Counter()
        rows: list[RefusedRow] = []
        wanted = ("workflow_id", "lead_key", "raw_phone", "phone", "phone_key")
        for workflow_id, key, raw, phone, number in _rows(leads, wanted):
            holder = holders.get(number)
            own = holder is not None and holder.lead_key == key and holder.sync == self._plan.sync
            outcome, reason = held_outcome(holder, own)
            counts[workflow_id, outcome, reason] += 1
            if reason != "duplicate/already_enrolled":
                rows.append(RefusedRow(workflow_id, key, outcome, reason, None, raw, phone))
        self._refuse(rows, counts)

    def _refuse(self, rows: Sequence[RefusedRow], counts: Counter[tuple[str, str, str]]) -> None:
        if counts:
            listed = [Count(*key, leads) for key, leads in counts.items()]
            self._ledger.plans.refuse(self._plan, rows, listed)


def _rows(leads: pa.Table, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(leads[column].to_pylist() for column in columns), strict=True)


def batch_path(plan: Plan, workflow_id: str, batch_id: str, file_format: str) -> str:
    """Where a batch file lives in the store: one folder per plan and workflow."""
    folder = re.sub(r"[^A-Za-z0-9_.-]", "_", workflow_id)
    return f"{plan.sync}/batches/{plan.plan_id}/{folder}/{batch_id}.{file_format}"


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
