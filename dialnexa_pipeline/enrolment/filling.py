"""Batches that still take rows, one a workflow, and the files that they become."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import (
    VARIABLE_PREFIX,
    Rotation,
    csv_file,
    csv_header_bytes,
    csv_lines,
    even_rows,
    render_xlsx,
    xlsx_header_bytes,
    xlsx_row_bytes,
)
from dialnexa_pipeline.ledger import BatchOnDisk, Plan
from dialnexa_pipeline.store import Store

_LONGEST_FOLDER = 100


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

    def columns_of(self, leads: pa.Table, refs: pa.Array) -> pa.Table:
        """What a file has of screened leads: phone_number, the variables, the correlation column.

        Args:
            refs: as many as leads.
        """
        columns: dict[str, pa.ChunkedArray | pa.Array] = {"phone_number": leads["phone"]}
        for name in leads.column_names:
            if name.startswith(VARIABLE_PREFIX):
                columns[name.removeprefix(VARIABLE_PREFIX)] = leads[name]
        if self.ref_column is not None:
            columns[self.ref_column] = refs
        return pa.table(columns)

    def header_bytes(self, columns: Sequence[str]) -> int:
        """The most bytes that a file holds beside its rows."""
        is_csv = self.format == "csv"
        return csv_header_bytes(columns) if is_csv else xlsx_header_bytes(columns)

    def content_of(self, rows: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
        """Uploaded rows as a batch keeps them, and the most bytes that each adds to its file."""
        if self.format != "csv":
            rows = rows.cast(pa.schema([(name, pa.string()) for name in rows.column_names]))
            return rows, xlsx_row_bytes(rows)
        lines = csv_lines(rows)
        return pa.table({"line": lines}), pc.binary_length(lines).to_numpy().astype(np.int64)


@dataclass(slots=True, eq=False)
class OpenBatch:
    """A batch before its file is written.

    Attributes:
        rows: leads assigned to it, also those that another run claims first; so is `size`.
        pieces: its claimed rows so far: their lines in one column for CSV, else the uploaded
            columns.
    """

    batch_id: str
    workflow_id: str
    rows: int = 0
    size: int = 0
    pieces: list[pa.Table] = field(default_factory=list[pa.Table])


@dataclass(frozen=True, slots=True)
class Share:
    """Consecutive rows of a chunk that go into one batch."""

    batch: OpenBatch
    rows: range


class OpenBatches:
    """Assigns rows to batches; those that are full are handed over, to be written.

    Args:
        expected: workflow → rows that may come; its files are even in their number of rows.
    """

    def __init__(self, limits: BatchLimits, expected: Mapping[str, int]) -> None:
        self._limits = limits
        self._expected = expected
        self._header_bytes: int | None = None
        self._open: dict[str, OpenBatch] = {}
        self._full: list[OpenBatch] = []

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
            sizes: bytes of each row.
            first: place of the first of these rows in the chunk.
        """
        if self._header_bytes is None:
            self._header_bytes = self._limits.header_bytes(columns)
        max_rows = even_rows(self._expected.get(workflow_id, 0), self._limits.max_rows)
        rotation = Rotation(max_rows, self._limits.max_bytes, self._header_bytes)
        batch = self._open.pop(workflow_id, None) or _new(workflow_id)
        ends, rows, size = rotation.ends(sizes, rows=batch.rows, size=batch.size)
        shares: list[Share] = []
        begin = 0
        for end in ends:
            shares.append(Share(batch, range(first + begin, first + end)))
            self._full.append(batch)
            batch = _new(workflow_id)
            begin = end
        if rows:
            batch.rows, batch.size = rows, size
            self._open[workflow_id] = batch
            shares.append(Share(batch, range(first + begin, first + len(sizes))))
        return [share for share in shares if share.rows]

    def take_full(self) -> list[OpenBatch]:
        """The batches that take no more rows, each once."""
        full, self._full = self._full, []
        return full

    def take_all(self) -> list[OpenBatch]:
        """Every batch; none is open then."""
        self._full += self._open.values()
        self._open.clear()
        return self.take_full()


def write_files(
    batches: Sequence[OpenBatch],
    columns: Sequence[str],
    *,
    plan: Plan,
    limits: BatchLimits,
    store: Store,
) -> list[BatchOnDisk]:
    """Write the files of batches; before the ledger has noted them, nothing is sent.

    Args:
        columns: the header.
    """
    written: list[BatchOnDisk] = []
    for batch in batches:
        claimed = pa.concat_tables(batch.pieces) if batch.pieces else pa.table({})
        if claimed.num_rows == 0:
            # Another run claimed every row first.
            continue
        if limits.format == "csv":
            content = csv_file(columns, claimed.column(0).chunks)
        else:
            content = render_xlsx(claimed)
        path = batch_path(plan, batch.workflow_id, batch.batch_id, limits.format)
        stored = store.write(path, content)
        reach("plan.file_written")
        written.append(BatchOnDisk(batch.batch_id, path, stored.sha256, stored.bytes))
    return written


def batch_path(plan: Plan, workflow_id: str, batch_id: str, file_format: str) -> str:
    """Where a batch file lives in the store: one folder per plan and workflow."""
    folder = re.sub(r"[^A-Za-z0-9_.-]", "_", workflow_id)
    if len(folder) > _LONGEST_FOLDER or not folder.strip("."):
        # No file system takes a longer name, and `..` is another folder.
        digest = hashlib.sha256(workflow_id.encode()).hexdigest()[:16]
        folder = f"{folder[:_LONGEST_FOLDER].replace('.', '_')}-{digest}"
    return f"{plan.sync}/batches/{plan.plan_id}/{folder}/{batch_id}.{file_format}"


def _new(workflow_id: str) -> OpenBatch:
    return OpenBatch(secrets.token_hex(8), workflow_id)
