"""The rows of a batch that was sent, read from the ledger only when its answer names some."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

from dialnexa_pipeline.enrolment.patience import patiently
from dialnexa_pipeline.ledger import Batch, BatchRows, Ledger


class SentRows(Sequence[str]):
    """The phones of a batch's file, in its order: E.164, empty once erased.

    Most answers only count, and then thousands of rows need not be read.
    """

    def __init__(self, ledger: Ledger, batch: Batch) -> None:
        self._ledger = ledger
        self._batch = batch

    @property
    def refs(self) -> Sequence[str]:
        """Their correlation values.

        Raises:
            LedgerUnavailable: the ledger was away for more than a minute; so does every phone.
        """
        return self._rows.refs

    def __len__(self) -> int:
        return self._batch.row_count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._rows.phones[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.phones)

    @cached_property
    def _rows(self) -> BatchRows:
        return patiently(self._ledger.batches.rows_of, self._batch.batch_id)
