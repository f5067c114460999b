"""Batches that still take rows, one a workflow, and the files that they become."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import Rotation, csv_file, csv_header_bytes, render_xlsx
from dialnexa_pipeline.ledger import BatchOnDisk, Ledger, Plan
from dialnexa_pipeline.store import Store


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
    """`rows` and `size` count what was assigned, also rows that another run claimed first."""

    batch_id: str
    workflow_id: str
    rows: int = 0
    size: int = 0
    pieces: list[pa.Table] = field(default_factory=list[pa.Table])


@dataclass(frozen=True, slots=True)
class Share:
    """Consecutive rows of a chunk that go into one batch."""

    batch_id: str
    workflow_id: str
    rows: range


class OpenBatches:
    """Assigns rows to batches, keeps what was claimed, and writes files that are full."""

    def __init__(self, plan: Plan, limits: BatchLimits, ledger: Ledger, store: Store) -> None:
        self._plan = plan
        self._limits = limits
        self._ledger = ledger
        self._store = store
        self._columns: Sequence[str] = ()
        self._open: dict[str, _OpenBatch] = {}
        self._full: list[_OpenBatch] = []
        self._by_id: dict[str, _OpenBatch] = {}

    def assign(
        self,
        workflow_id: str,
        columns: Sequence[str],
        sizes: npt.NDArray[np.int64],
        *,
        first: int,
    ) -> list[Share]:
        """Cut rows of a workflow into batches; the last one stays open.

        Args:
            columns: the header, the same each time.
            sizes: bytes of each row's line.
            first: place of the first of these rows in the chunk.
        """
        self._columns = columns
        rotation = Rotation(
            self._limits.max_rows, self._limits.max_bytes, csv_header_bytes(columns)
        )
        batch = self._open.pop(workflow_id, None) or self._new(workflow_id)
        ends, rows, size = rotation.ends(sizes, rows=batch.rows, size=batch.size)
        shares: list[Share] = []
        begin = 0
        for end in ends:
            shares.append(Share(batch.batch_id, workflow_id, range(first + begin, first + end)))
            self._full.append(batch)
            batch = self._new(workflow_id)
            begin = end
        if rows:
            batch.rows, batch.size = rows, size
            self._open[workflow_id] = batch
            taken = range(first + begin, first + len(sizes))
            shares.append(Share(batch.batch_id, workflow_id, taken))
        else:
            del self._by_id[batch.batch_id]
        return [share for share in shares if share.rows]

    def fill(self, share: Share, claimed: pa.Table) -> None:
        """Keep the claimed rows of a share until its file is written.

        Args:
            claimed: their lines in one column for CSV, else the uploaded columns.
        """
        self._by_id[share.batch_id].pieces.append(claimed)

    def write_full(self) -> None:
        """Write the files of batches that take no more rows."""
        self._write(self._full)
        self._full = []

    def write_all(self) -> None:
        """Write every file; no batch is open then."""
        self._write([*self._full, *self._open.values()])
        self._full = []
        self._open.clear()

    def _new(self, workflow_id: str) -> _OpenBatch:
        batch = _OpenBatch(secrets.token_hex(8), workflow_id)
        self._by_id[batch.batch_id] = batch
        return batch

    def _write(self, batches: Sequence[_OpenBatch]) -> None:
        written: list[BatchOnDisk] = []
        for batch in batches:
            del self._by_id[batch.batch_id]
            content = self._content_of(batch)
            if content is None:
                continue
            path = batch_path(self._plan, batch.workflow_id, batch.batch_id, self._limits.format)
            stored = self._store.write(path, content)
            reach("plan.file_written")
            written.append(BatchOnDisk(batch.batch_id, path, stored.sha256, stored.bytes))
        if written:
            self._ledger.plans.batches_are_on_disk(written)
            reach("plan.file_noted")

    def _content_of(self, batch: _OpenBatch) -> bytes | None:
        """The file; None when another run claimed every row first."""
        claimed = pa.concat_tables(batch.pieces)
        if claimed.num_rows == 0:
            return None
        if self._limits.format == "csv":
            return csv_file(self._columns, claimed.column(0).chunks)
        return render_xlsx(claimed)


def batch_path(plan: Plan, workflow_id: str, batch_id: str, file_format: str) -> str:
    """Where a batch file lives in the store: one folder per plan and workflow."""
    folder = re.sub(r"[^A-Za-z0-9_.-]", "_", workflow_id)
    return f"{plan.sync}/batches/{plan.plan_id}/{folder}/{batch_id}.{file_format}"
