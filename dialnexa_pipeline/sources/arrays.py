"""Rows of a database driver to Arrow batches whose schema does not change underway."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa


def batch_of(
    names: Sequence[str], rows: Sequence[Sequence[Any]], schema: pa.Schema | None
) -> pa.RecordBatch:
    """One record batch; types come from the first batch, and a column that breaks them is text."""
    columns = list(zip(*rows, strict=True))
    arrays = [
        _array(list(values), schema.field(index).type if schema is not None else None)
        for index, values in enumerate(columns)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _array(values: list[Any], wanted: pa.DataType | None) -> pa.Array:
    if any(isinstance(value, Decimal) for value in values):
        # Decimals of one column may differ in scale; text keeps every digit.
        values = [format(value, "f") if isinstance(value, Decimal) else value for value in values]
    try:
        array = pa.array(values, wanted)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        array = pa.array([None if v is None else str(v) for v in values], pa.string())
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array
