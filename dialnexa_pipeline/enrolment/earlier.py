"""Which earlier runs enrolled the leads that a plan found enrolled already."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.store import Store

_CHUNK_ROWS = 4_096
_COLUMNS = ("lead_key", "workflow_id", "phone_key", "outcome")


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """Run → leads that it enrolled, of the first `looked_at` leads that could be called."""

    leads: Mapping[str, int]
    looked_at: int

    @property
    def found(self) -> int:
        return sum(self.leads.values())


def earlier_runs(
    ledger: Ledger, store: Store, staged: str, *, sync: str, wanted: int, look_at: int = 20_000
) -> EarlierRuns:
    """Look through a staged file until all `wanted` leads are found, or `look_at` were asked for.

    A bound, because a plan may find a million leads enrolled, and a few thousand name their runs.
    """
    runs: Counter[str] = Counter()
    looked_at = 0
    with store.open_local(staged) as local, pq.ParquetFile(local) as parquet:
        for batch in parquet.iter_batches(batch_size=_CHUNK_ROWS, columns=list(_COLUMNS)):
            if looked_at >= look_at or runs.total() >= wanted:
                break
            leads = pa.Table.from_batches([batch])
            leads = leads.filter(pc.is_null(leads["outcome"])).slice(0, look_at - looked_at)
            looked_at += leads.num_rows
            asked = zip(*(leads[name].to_pylist() for name in _COLUMNS[:3]), strict=True)
            runs.update(ledger.histories.enrolling_runs(sync, set(asked)))
    return EarlierRuns(dict(runs.most_common()), looked_at)
