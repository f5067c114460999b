"""Write a planned chunk: its claims and refused rows, then the files that are full."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import pyarrow as pa

from dialnexa_pipeline.behind import Behind
from dialnexa_pipeline.enrolment.filling import BatchLimits, OpenBatch, Share, write_files
from dialnexa_pipeline.enrolment.unclaimed import Unclaimed
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import BatchOnDisk, Candidates, Ledger, Plan, RefusedRows
from dialnexa_pipeline.store import Store

# What is needed of a lead to claim its number, or to say who was faster.
CLAIMED = ("workflow_id", "lead_key", "raw_phone", "phone", "phone_key")
KEY_HASH = "key_hash"


@dataclass(frozen=True, slots=True)
class PlannedChunk:
    """What planning makes of some leads, before anything of it is written.

    Attributes:
        leads: those that ask for a claim, each workflow's side by side; their `CLAIMED` columns,
            and the hashes of their keys.
        first_seq: place of the first of them in the plan.
        content: a row for each of them, as `OpenBatch.pieces` holds it.
        columns: the header of a file.
        shares: which of them go into which batch.
        full: batches that take no more rows after this chunk.
        unclaimed: leads that ask for none; `refused` are those that stand in the way.
    """

    leads: pa.Table
    first_seq: int
    content: pa.Table
    columns: Sequence[str]
    shares: Sequence[Share]
    full: Sequence[OpenBatch]
    unclaimed: Unclaimed
    refused: RefusedRows


class ChunkWriter:
    """Writes planned chunks, in order; a number in two of them is the first one's.

    Order (docs/design.md, invariant 2): the claims are committed, then the files are on disk.

    Args:
        files: writes the files, while the next chunk is claimed.
        chunks_at_once: how many are claimed in one transaction.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        store: Store,
        limits: BatchLimits,
        files: Behind,
        *,
        chunks_at_once: int = 1,
    ) -> None:
        self._plan = plan
        self._counted = Unclaimed(plan.sync)
        # Leads that lost their number, until the next transaction writes them down.
        self._late = Unclaimed(plan.sync)
        self._ledger = ledger
        self._store = store
        self._limits = limits
        self._files = files
        self._chunks_at_once = chunks_at_once
        self._waiting: list[PlannedChunk] = []
        # Nothing is sent before the plan is ready, so the ledger learns of all files at once.
        self._on_disk: list[BatchOnDisk] = []

    def write(self, chunk: PlannedChunk) -> None:
        """Take a chunk, and write as soon as enough of them wait."""
        self._waiting.append(chunk)
        if len(self._waiting) == self._chunks_at_once:
            self._write_waiting()

    def end(self) -> None:
        """Write what waits; note the files, and how many leads of all chunks got no claim."""
        self._write_waiting()
        self._files.wait()
        self._ledger.plans.batches_are_on_disk(self._on_disk)
        reach("plan.file_noted")
        rows = self._take_late()
        self._ledger.plans.refuse(self._plan, rows, self._counted.counts)

    def _write_waiting(self) -> None:
        """Claim and refuse what waits, then have the files written that take no more rows."""
        chunks, self._waiting = self._waiting, []
        for chunk in chunks:
            self._counted.add(chunk.unclaimed)
        if any(chunk.shares or chunk.refused.count for chunk in chunks):
            self._claim(chunks)
        # No more of a chunk than its files need.
        full = [(chunk.full, chunk.columns) for chunk in chunks]
        self._files.do(partial(self._write_files, full))

    def _write_files(self, full: Sequence[tuple[Sequence[OpenBatch], Sequence[str]]]) -> None:
        for batches, columns in full:
            self._on_disk += write_files(
                batches, columns, plan=self._plan, limits=self._limits, store=self._store
            )

    def _claim(self, chunks: Sequence[PlannedChunk]) -> None:
        """Claim and refuse in one transaction; who lost a number is refused in the next one."""
        lost = self._ledger.plans.claim(
            self._plan,
            list(chain.from_iterable(map(_candidates, chunks))),
            ref_column=self._limits.ref_column,
            hold_absent=self._limits.hold_absent,
            refused=[
                self._ledger.plans.refused_rows(self._take_late()),
                *(chunk.refused for chunk in chunks),
            ],
        )
        reach("plan.claimed")
        places = np.array(sorted(lost), np.int64)
        for chunk in chunks:
            first, last = np.searchsorted(
                places, (chunk.first_seq, chunk.first_seq + chunk.leads.num_rows)
            )
            rows_lost = places[first:last] - chunk.first_seq
            won = np.ones(chunk.leads.num_rows, np.bool_)
            won[rows_lost] = False
            for share in chunk.shares:
                rows = share.rows.start + np.flatnonzero(won[share.rows.start : share.rows.stop])
                # A copy: a slice would keep the whole chunk in memory, however slowly a file fills.
                share.batch.pieces.append(chunk.content.take(pa.array(rows)))
            if len(rows_lost):
                self._refuse_lost(chunk.leads.take(pa.array(rows_lost)))

    def _refuse_lost(self, leads: pa.Table) -> None:
        """A chunk claimed with this one, or another run, was faster: the database decided."""
        workflows = leads["workflow_id"].combine_chunks().dictionary_encode()
        names: list[str] = workflows.dictionary.to_pylist()
        phones = leads["phone_key"].to_numpy()
        held = self._ledger.holders.find(names, np.unique(phones))
        codes = workflows.indices.to_numpy().astype(np.int64)
        self._late.add_held(leads, held, held.places_of(names, codes, phones))

    def _take_late(self) -> pa.Table:
        late, self._late = self._late, Unclaimed(self._plan.sync)
        self._counted.add(late)
        return late.rows


def _candidates(chunk: PlannedChunk) -> Iterator[Candidates]:
    columns = [
        chunk.leads[name].combine_chunks()
        for name in ("lead_key", "raw_phone", "phone_key", KEY_HASH)
    ]
    for share in chunk.shares:
        yield Candidates(
            share.batch.batch_id,
            share.batch.workflow_id,
            chunk.first_seq + share.rows.start,
            *(column.slice(share.rows.start, len(share.rows)) for column in columns),
        )
