"""Turn screened leads into claims, then into batch files: the preview of what would be sent."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.ahead import ahead
from dialnexa_pipeline.behind import work_behind
from dialnexa_pipeline.enrolment.destinations import Barred, Destinations, barred_of, counted
from dialnexa_pipeline.enrolment.erasing import ErasedPeople, redact_staged
from dialnexa_pipeline.enrolment.filling import BatchLimits, OpenBatches
from dialnexa_pipeline.enrolment.fitting import refuse_too_large
from dialnexa_pipeline.enrolment.in_flight import InFlight
from dialnexa_pipeline.enrolment.lease import lease_term, planning_heartbeat
from dialnexa_pipeline.enrolment.staged_file import (
    is_in_order,
    leads_to_plan,
    repeating_columns,
)
from dialnexa_pipeline.enrolment.staging import staged_read
from dialnexa_pipeline.enrolment.unclaimed import Unclaimed
from dialnexa_pipeline.enrolment.writing import CLAIMED, KEY_HASH, ChunkWriter, PlannedChunk
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import VARIABLE_PREFIX
from dialnexa_pipeline.ledger import (
    NOBODY,
    Account,
    HeldNumbers,
    Hold,
    Ledger,
    Plan,
    enrolment_refs,
    key_hashes,
)
from dialnexa_pipeline.phones import METADATA_VERSION
from dialnexa_pipeline.store import Store

_CHUNK_ROWS = 65_536
# What is needed of a lead to judge it; the rest is looked at only where it is planned.
_JUDGED = (*CLAIMED, "country", "outcome", "reason")
# In the source's order numbers lie anywhere in the index of claims: of a large one a chunk changes
# nearly as many pages as it has rows, and several chunks together change hardly more.
_CHUNKS_AT_ONCE = 2
_MANY_ROWS = 2_000_000


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
    with (
        planning_heartbeat(ledger, plan, lease_term()),
        store.open_local(staged) as local,
        pq.ParquetFile(local, read_dictionary=_spelled_once(local, erased)) as parquet,
        work_behind(name="files") as files,
    ):
        rows = parquet.metadata.num_rows
        at_once = _CHUNKS_AT_ONCE if rows >= _MANY_ROWS and is_in_order(parquet) else 1
        writer = ChunkWriter(plan, ledger, store, limits, files, chunks_at_once=at_once)
        planner = _Planner(
            plan,
            ledger,
            limits,
            eligible=_eligible(parquet),
            chunks_at_once=at_once,
            dedupe=dedupe,
            destinations=destinations,
        )
        read = staged_read(parquet.schema_arrow)
        if read is not None:
            ledger.cursors.note(plan, read)
        with ahead(_planned(parquet, planner, erased), name="planning") as chunks:
            for chunk in chunks:
                writer.write(chunk)
        writer.end()
    account = replace(ledger.accounts.of_plan(plan.plan_id), source_rows=rows)
    ledger.plans.make_ready(
        plan, source_rows=rows, phone_metadata=METADATA_VERSION, hold=guard(account)
    )
    reach("plan.ready")
    if erased is not None and erased.met:
        redact_staged(store, staged, erased.are_theirs)
    return barred_of(planner.barred)


def _spelled_once(local: Path, erased: ErasedPeople | None) -> list[str]:
    """Variables that are read as codes of the texts that repeat in them."""
    # Redacting puts texts in their place.
    columns = repeating_columns(local) if erased is None else []
    return [name for name in columns if name.startswith(VARIABLE_PREFIX)]


def _planned(
    parquet: pq.ParquetFile, planner: "_Planner", erased: ErasedPeople | None
) -> Generator[PlannedChunk]:
    chunks = leads_to_plan(parquet, _CHUNK_ROWS)
    # A loop's variable would keep each chunk in memory until the next one is read.
    yield from map(planner.plan, map(erased.redact, chunks) if erased is not None else chunks)
    yield planner.end()


class _Planner:
    """Gives every lead of a chunk a claim to ask for, or the reason why it gets none."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        limits: BatchLimits,
        *,
        eligible: Mapping[str, int],
        chunks_at_once: int,
        dedupe: timedelta | None,
        destinations: Destinations | None,
    ) -> None:
        self.barred: Counter[tuple[str, str]] = Counter()
        self._destinations = destinations
        self._plan = plan
        self._ledger = ledger
        self._limits = limits
        self._dedupe = dedupe
        self._batches = OpenBatches(limits, eligible)
        self._in_flight = InFlight(chunks=chunks_at_once)
        self._columns: Sequence[str] = ()
        self._seq = 0

    def plan(self, leads: pa.Table) -> PlannedChunk:
        """Plan one chunk of screened leads (columns as `leads.screen` gives them)."""
        unclaimed = Unclaimed(self._plan.sync)
        leads = refuse_too_large(leads, self._plan, self._limits)
        undecided = pc.is_null(leads["outcome"])
        judged = leads.select(_JUDGED)
        unclaimed.add_screened(judged.filter(pc.invert(undecided)))
        eligible = judged.filter(undecided)
        workflows = eligible["workflow_id"].combine_chunks().dictionary_encode()
        names: list[str] = workflows.dictionary.to_pylist()
        codes = workflows.indices.to_numpy().astype(np.int64)
        phones = eligible["phone_key"].to_numpy()
        held = self._look_up(names, codes, phones)
        places = held.places_of(names, codes, phones)
        is_held = places != NOBODY
        is_barred = self._refuse_barred(eligible, ~is_held, unclaimed)
        is_free = self._in_flight.are_first(names, codes, phones) & ~is_held & ~is_barred
        others = ~is_free & ~is_barred
        unclaimed.add_held(eligible.filter(pa.array(others)), held, places[others])
        # The rows of a workflow lie side by side, each workflow's as they come.
        free = np.flatnonzero(is_free)
        free = free[np.argsort(codes[free], kind="stable")]
        self._in_flight.add(names, codes[free], phones[free])
        rows = pc.indices_nonzero(undecided).take(pa.array(free))
        return self._chunk(leads.take(rows), names, codes[free], unclaimed)

    def end(self) -> PlannedChunk:
        """A chunk without leads, after which no batch is open."""
        nobody = pa.table({name: pa.array([], pa.string()) for name in (*CLAIMED, KEY_HASH)})
        unclaimed = Unclaimed(self._plan.sync)
        return PlannedChunk(
            nobody,
            self._seq,
            pa.table({}),
            self._columns,
            [],
            self._batches.take_all(),
            unclaimed,
            self._ledger.plans.refused_rows(unclaimed.rows),
        )

    def _look_up(
        self, names: Sequence[str], codes: npt.NDArray[np.int64], phones: npt.NDArray[np.int64]
    ) -> HeldNumbers:
        """Who holds the numbers."""
        if self._dedupe is not None:
            asked = _by_workflow(names, codes, phones)
            self._ledger.holders.expire(asked, older_than=self._dedupe)
        # In vector registers a sort is faster than the hashing of numpy.unique.
        ordered = phones.copy()
        ordered.sort()
        once = ordered[np.flatnonzero(np.diff(ordered, prepend=-1))]
        return self._ledger.holders.find(names, once)

    def _refuse_barred(
        self, leads: pa.Table, may_claim: npt.NDArray[np.bool_], unclaimed: Unclaimed
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
        unclaimed.add_screened(
            refused.set_column(refused.column_names.index("outcome"), "outcome", invalid)
        )
        return is_barred.to_numpy(zero_copy_only=False)

    def _chunk(
        self,
        leads: pa.Table,
        names: Sequence[str],
        codes: npt.NDArray[np.int64],
        unclaimed: Unclaimed,
    ) -> PlannedChunk:
        """Free leads in their batches.

        Args:
            names: the workflows; `codes` are those of the rows, in rising order.
        """
        first_seq = self._seq
        self._seq += leads.num_rows
        places = np.arange(first_seq, self._seq)
        columns = self._limits.columns_of(leads, enrolment_refs(self._plan.plan_id, places))
        self._columns = columns.column_names
        content, sizes = self._limits.content_of(columns)
        bounds = np.searchsorted(codes, np.arange(len(names) + 1)).tolist()
        shares = [
            share
            for name, first, last in zip(names, bounds[:-1], bounds[1:], strict=True)
            if last > first
            for share in self._batches.assign(name, self._columns, sizes[first:last], first=first)
        ]
        hashes = pa.array(key_hashes(leads["lead_key"]))
        return PlannedChunk(
            leads.select(CLAIMED).append_column(KEY_HASH, hashes),
            first_seq,
            content,
            self._columns,
            shares,
            self._batches.take_full(),
            unclaimed,
            self._ledger.plans.refused_rows(unclaimed.rows),
        )


def _by_workflow(
    names: Sequence[str], codes: npt.NDArray[np.int64], phones: npt.NDArray[np.int64]
) -> dict[str, list[int]]:
    by_code = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[by_code], np.arange(len(names) + 1))
    return {
        name: phones[by_code[first:last]].tolist()
        for name, first, last in zip(names, bounds[:-1], bounds[1:], strict=True)
    }


def _eligible(parquet: pq.ParquetFile) -> Counter[str]:
    """Workflow → leads of a staged file that screening lets through."""
    found: Counter[str] = Counter()
    for batch in parquet.iter_batches(batch_size=_CHUNK_ROWS, columns=["workflow_id", "outcome"]):
        eligible = batch.column("workflow_id").filter(pc.is_null(batch.column("outcome")))
        for each in eligible.value_counts():
            found[each["values"].as_py()] += each["counts"].as_py()
    return found
