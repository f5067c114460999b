"""Who holds the numbers that a chunk of leads asks for, in columns: they may be all of them."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.ledger.pairs import numbers_of_pairs
from dialnexa_pipeline.ledger.records import Holder

_TEXTS = pa.dictionary(pa.int64(), pa.string())
HELD = pa.schema(
    [
        ("workflow_id", _TEXTS),
        ("phone", pa.int64()),
        ("sync", _TEXTS),
        ("key_hash", pa.int64()),
        ("state", _TEXTS),
        ("batch_state", _TEXTS),
    ]
)
NOBODY = -1


class HeldNumbers(Mapping[tuple[str, int], Holder]):
    """Workflow and phone → the holder of the live claim.

    Attributes:
        table: a row for each (`HELD`); texts are dictionaries.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._holders: dict[tuple[str, int], Holder] | None = None

    def places_of(
        self,
        workflows: Sequence[str],
        codes: npt.NDArray[np.int64],
        phones: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.int64]:
        """The row of each lead's holder in `table`; `NOBODY` where there is none.

        Args:
            workflows: distinct ones; a lead's `codes` is the place of its own.
        """
        held = self.table["workflow_id"].combine_chunks()
        # Workflows that nobody asks for have a code that no lead has.
        code_of = {name: code for code, name in enumerate(workflows)}
        held_codes = np.array(
            [code_of.get(name, len(workflows)) for name in held.dictionary.to_pylist()], np.int64
        ).take(held.indices.to_numpy())
        held_phones = self.table["phone"].to_numpy()
        pairs = numbers_of_pairs(
            np.concatenate([codes, held_codes]), np.concatenate([phones, held_phones])
        )
        asked, there = pairs[: len(phones)], pairs[len(phones) :]
        found = pc.index_in(pa.array(asked), value_set=pa.array(there))
        return pc.fill_null(found, NOBODY).to_numpy().astype(np.int64)

    def __getitem__(self, number: tuple[str, int]) -> Holder:
        return self._by_number()[number]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._by_number())

    def __len__(self) -> int:
        return self.table.num_rows

    def _by_number(self) -> dict[tuple[str, int], Holder]:
        """Each as an object: made when single ones are asked for first."""
        if self._holders is None:
            columns = (self.table[name].to_pylist() for name in HELD.names)
            self._holders = {
                (workflow, phone): Holder._make(holder)
                for workflow, phone, *holder in zip(*columns, strict=True)
            }
        return self._holders
