"""Rows of a database driver to Arrow batches whose schema does not change underway."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.errors import SourceError

_YEAR_1, _YEAR_10_000 = -62_135_596_800, 253_402_300_800  # seconds since 1970
_TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000}


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


def checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch itself, unless a driver put values into it that cannot be uploaded.

    Raises:
        SourceError: text is not UTF-8, or a moment is infinite or outside the years 1 to 9999.
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            raise SourceError(
                f"The column {name!r} holds text that is not UTF-8, or a time of day that does "
                "not exist. Mend the source, and run the sync again; nothing was sent."
            ) from None
        if not _within_calendar(column):
            raise SourceError(
                f"The column {name!r} holds a date that is infinite or outside the years 1 to "
                "9999. Mend the source, or leave the column out; nothing was sent."
            )
    return batch


def text_of_value(value: Any) -> str | None:
    """A single value as `text_of` would write it in a column of its own."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            plain = format(Decimal(repr(value)), "f").removesuffix(".0")
            return None if math.isnan(value) else plain
        case Decimal():
            return format(value, "f")
        case bytes():
            return value.hex()
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


def _array(values: list[Any], wanted: pa.DataType | None) -> pa.Array:
    # Decimals of one column may differ in scale, and Arrow would take bytes among texts for text
    # or texts among bytes for bytes; text keeps every digit.
    if not any(isinstance(value, Decimal | bytes) for value in values):
        try:
            array = pa.array(values, wanted)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
        else:
            return array.cast(pa.string()) if pa.types.is_null(array.type) else array
    return pa.array([text_of_value(value) for value in values], pa.string())


def _within_calendar(column: pa.Array) -> bool:
    kind = column.type
    if pa.types.is_date32(kind):
        counts, ticks = column.cast(pa.int32()), 1 / 86_400
    elif pa.types.is_timestamp(kind) and kind.unit in _TICKS:
        counts, ticks = column.cast(pa.int64()), _TICKS[kind.unit]
    else:
        return True
    bounds = pc.min_max(counts).as_py()
    return bounds["min"] is None or (
        bounds["min"] >= _YEAR_1 * ticks and bounds["max"] < _YEAR_10_000 * ticks
    )
