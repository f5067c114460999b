"""Any Arrow column as the text that is uploaded and spoken."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import decimal
import math

import pyarrow as pa
import pyarrow.compute as pc


def text_of(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Canonical text: plain integers and decimals, true/false, ISO dates, UTC moments; null stays.

    A float that is a whole number loses its `.0`, so 500000.0 is spoken as 500000. Bytes are
    written in hexadecimal.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_dictionary(kind):
        return text_of(array.dictionary_decode())
    if pa.types.is_float32(kind):
        # The shortest decimal that is this number, not the double that lies nearest to it.
        return text_of(array.cast(pa.string()).cast(pa.float64()))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.array([_plain(value) for value in array.to_pylist()], pa.string())
    if pa.types.is_timestamp(kind):
        return _moments(array)
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date(kind):
        return array.cast(pa.string())
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_binary(kind):
        return pa.array(
            [None if value is None else value.hex() for value in array.to_pylist()], pa.string()
        )
    return pa.array(
        [None if value is None else str(value) for value in array.to_pylist()], pa.string()
    )


def _moments(array: pa.Array) -> pa.Array:
    """ISO texts: a fraction of a second only where there is one, `Z` where there is a zone."""
    zone = array.type.tz and "UTC"
    pattern = "%Y-%m-%dT%H:%M:%S" + ("Z" if zone else "")
    moments = array.cast(pa.timestamp(array.type.unit, zone))
    floored = pc.floor_temporal(moments, unit="second")
    whole = pc.strftime(floored.cast(pa.timestamp("s", zone)), pattern)
    return pc.if_else(pc.equal(floored, moments), whole, pc.strftime(moments, pattern))


def _plain(value: float | decimal.Decimal | None) -> str | None:
    if value is None or math.isnan(value):
        return None
    text = format(decimal.Decimal(repr(value)) if isinstance(value, float) else value, "f")
    return text.rstrip("0").rstrip(".") if "." in text and isinstance(value, float) else text
