"""Rows of a database driver to Arrow batches whose schema does not change underway."""

from collections.abc import Sequence
from datetime import UTC, datetime
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
    # Decimals of one column may differ in scale; text keeps every digit.
    if not any(isinstance(value, Decimal) for value in values):
        try:
            array = pa.array(values, wanted)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
        else:
            return array.cast(pa.string()) if pa.types.is_null(array.type) else array
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case float() | Decimal():
            return format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
        case bytes():
            return value.hex()
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
