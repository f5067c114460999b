"""Corrections put in place of a source's values before screening, and seen by planners in time."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.leads import text_of
from dialnexa_pipeline.ledger import Correction, Ledger
from dialnexa_pipeline.store import Store

_NEWEST = b"dialnexa_newest_correction"


class StagedBeforeCorrection(DialNexaError):
    """A sheet was replayed after these leads were screened, so they may hold a wrong number."""


class SourceCorrections:
    """The corrections of a sync as they stood when they were read.

    Attributes:
        newest: number of the newest; 0 without any.
        applied: rows that were corrected so far.
    """

    def __init__(self, key: str, made: Sequence[Correction], newest: int) -> None:
        self._key = key
        self._of_lead = {each.lead_key: each for each in made}
        self._keys = pa.array(self._of_lead, pa.string())
        self.newest = newest
        self.applied = 0

    @classmethod
    def of(cls, ledger: Ledger, sync: str, key: str) -> "SourceCorrections":
        """Args: key: the source column that identifies a lead."""
        return cls(key, *ledger.corrections.of_sync(sync))

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows; those that a correction fits have its values, as text."""
        if not self._of_lead:
            return batch
        keys = text_of(batch.column(self._key))
        texts: dict[str, list[str | None]] = {}
        for row in pc.indices_nonzero(pc.is_in(keys, self._keys)).to_pylist():
            correction = self._of_lead[keys[row].as_py()]
            if not correction.was.keys() <= set(batch.schema.names):
                continue
            for column in correction.was:
                if column not in texts:
                    texts[column] = text_of(batch.column(column)).to_pylist()
            if fits(correction, {column: texts[column][row] for column in correction.was}):
                self.applied += 1
                for column, text in correction.became.items():
                    texts[column][row] = text
        columns = [
            pa.array(texts[name], pa.string()) if name in texts else batch.column(name)
            for name in batch.schema.names
        ]
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    def mark(self, schema: pa.Schema) -> pa.Schema:
        """The schema of a staged file, which tells which corrections were read for it."""
        return schema.with_metadata({**(schema.metadata or {}), _NEWEST: str(self.newest).encode()})


def fits(correction: Correction, values: Mapping[str, str | None]) -> bool:
    """Whether the source's row still has the values that were corrected."""
    return all((values.get(column) or "") == text for column, text in correction.was.items())


def refuse_outdated(ledger: Ledger, store: Store, staged: str, sync: str) -> None:
    """Call it with an open plan: a replay that comes later than this sees that plan and waits.

    Raises:
        StagedBeforeCorrection: a correction was made after the leads were screened.
    """
    newest = ledger.corrections.newest(sync)
    if not newest:
        return
    with store.open_local(staged) as local:
        metadata = pq.read_schema(local).metadata or {}
    if int(metadata.get(_NEWEST, b"0")) < newest:
        raise StagedBeforeCorrection(
            f"Sync {sync!r}: a corrected sheet was replayed after these leads were screened. "
            f"Nothing was planned; materialise {sync}/screened_leads again."
        )
