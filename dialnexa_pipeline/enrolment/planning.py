"""Turn screened leads into claims, then into batch files: the preview of what would be sent."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.enrolment.erasing import ErasedPeople, redact_staged
from dialnexa_pipeline.enrolment.lease import planning_heartbeat
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import (
    VARIABLE_PREFIX,
    csv_header_bytes,
    csv_row_bytes,
    render_csv,
    render_xlsx,
)
from dialnexa_pipeline.ledger import (
    Account,
    Candidate,
    Count,
    Hold,
    Holder,
    Ledger,
    Plan,
    RefusedRow,
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
    """A batch that still takes rows: claimed rows wait here until the file is written."""

    batch_id: str
    workflow_id: str
    size: int
    assigned: int = 0
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
        phones: list[int] = leads["phone_key"].to_pylist()
        if self._dedupe is not None:
            self._ledger.plans.expire(workflow_id, phones, older_than=self._dedupe)
        holders = self._ledger.plans.find_holders(workflow_id, phones)
        seen: set[int] = set()
        free: list[int] = []
        held: list[int] = []
        for index, phone in enumerate(phones):
            if phone in holders or phone in seen:
                held.append(index)
            else:
                seen.add(phone)
                free.append(index)
        lost = self._claim(workflow_id, leads.take(pa.array(free, pa.int64())))
        if lost:
            # Another run was faster between the look and the claim: the database decided.
            numbers = [phones[index] for index in free]
            holders |= self._ledger.plans.find_holders(workflow_id, numbers)
            held += [index for index in free if phones[index] in lost]
        self._refuse_held(leads.take(pa.array(held, pa.int64())), holders)

    def _claim(self, workflow_id: str, leads: pa.Table) -> set[int]:
        """Claim free leads, batch by batch; return the phones that another run took first."""
        if leads.num_rows == 0:
            return set()
        start = self._seq
        self._seq += leads.num_rows
        refs = [f"{self._plan.plan_id}-{start + n:x}" for n in range(leads.num_rows)]
        files = _file_table(leads, refs, self._limits.ref_column)
        sizes: list[int] = csv_row_bytes(files).to_pylist()
        keys = leads["lead_key"].to_pylist()
        raw = leads["raw_phone"].to_pylist()
        phones = leads["phone_key"].to_pylist()
        lost: set[int] = set()
        for batch, first, last in self._assign(workflow_id, files.column_names, sizes):
            candidates = [
                Candidate(
                    refs[n],
                    batch.batch_id,
                    start + n,
                    workflow_id,
                    keys[n],
                    raw[n] or "",
                    phones[n],
                )
                for n in range(first, last)
            ]
            won = self._ledger.plans.claim(
                self._plan,
                candidates,
                ref_column=self._limits.ref_column,
                hold_absent=self._limits.hold_absent,
            )
            reach("plan.claimed")
            piece = files.slice(first, last - first)
            if len(won) < len(candidates):
                mask = [c.enrolment_ref in won for c in candidates]
                lost |= {c.phone for c in candidates if c.enrolment_ref not in won}
                piece = piece.filter(pa.array(mask))
            batch.pieces.append(piece)
            if batch is not self._open.get(workflow_id):
                self._write(batch)
        return lost

    def _assign(
        self, workflow_id: str, names: Sequence[str], sizes: Sequence[int]
    ) -> Iterator[tuple[_OpenBatch, int, int]]:
        """Cut consecutive rows into batches bounded by rows and bytes; the last stays open."""
        first = 0
        while first < len(sizes):
            batch = self._open.get(workflow_id)
            if batch is None:
                batch = _OpenBatch(secrets.token_hex(8), workflow_id, csv_header_bytes(names))
                self._open[workflow_id] = batch
            last = first
            while last < len(sizes) and batch.assigned < self._limits.max_rows:
                if batch.assigned and batch.size + sizes[last] > self._limits.max_bytes:
                    break
                batch.size += sizes[last]
                batch.assigned += 1
                last += 1
            if last < len(sizes) or batch.assigned >= self._limits.max_rows:
                del self._open[workflow_id]
            if last > first:
                yield batch, first, last
            else:
                self._write(batch)
            first = last

    def _close(self, workflow_id: str) -> None:
        self._write(self._open.pop(workflow_id))

    def _write(self, batch: _OpenBatch) -> None:
        table = pa.concat_tables(batch.pieces)
        batch.pieces.clear()
        if table.num_rows == 0:
            return
        render = render_csv if self._limits.format == "csv" else render_xlsx
        path = batch_path(self._plan, batch.workflow_id, batch.batch_id, self._limits.format)
        stored = self._store.write(path, render(table))
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
        rows = [
            RefusedRow(
                row["workflow_id"] or "",
                row["lead_key"],
                row["outcome"],
                row["reason"],
                None,
                row["raw_phone"],
                row["phone"],
            )
            for row in leads.select(
                ["workflow_id", "lead_key", "outcome", "reason", "raw_phone", "phone"]
            ).to_pylist()
        ]
        self._refuse(rows, listed=rows)

    def _refuse_held(self, leads: pa.Table, holders: dict[int, Holder]) -> None:
        rows: list[RefusedRow] = []
        listed: list[RefusedRow] = []
        wanted = ["workflow_id", "lead_key", "raw_phone", "phone", "phone_key"]
        for row in leads.select(wanted).to_pylist():
            holder = holders.get(row["phone_key"])
            own = (
                holder is not None
                and holder.sync == self._plan.sync
                and holder.lead_key == row["lead_key"]
            )
            outcome, reason = held_outcome(holder, own)
            refused = RefusedRow(
                row["workflow_id"],
                row["lead_key"],
                outcome,
                reason,
                None,
                row["raw_phone"],
                row["phone"],
            )
            rows.append(refused)
            if reason != "duplicate/already_enrolled":
                listed.append(refused)
        self._refuse(rows, listed=listed)

    def _refuse(self, rows: Sequence[RefusedRow], *, listed: Sequence[RefusedRow]) -> None:
        if not rows:
            return
        totals = Counter((row.workflow_id, row.outcome, row.reason) for row in rows)
        counts = [Count(*key, leads) for key, leads in totals.items()]
        self._ledger.plans.refuse(self._plan, listed, counts)


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


def _file_table(leads: pa.Table, refs: Sequence[str], ref_column: str | None) -> pa.Table:
    """The uploaded columns: phone_number, the variables, and the correlation column."""
    columns = {"phone_number": leads["phone"]}
    for name in leads.column_names:
        if name.startswith(VARIABLE_PREFIX):
            columns[name.removeprefix(VARIABLE_PREFIX)] = leads[name]
    if ref_column is not None:
        columns[ref_column] = pa.chunked_array([pa.array(refs, pa.string())])
    return pa.table(columns)
