"""Whole columns of raw phones to verdicts; each distinct (phone, country) is parsed once."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.phones.parsing import Verdict, parse_phone

_SEPARATOR = "\x1f"


def normalise_phones(
    raw: pa.Array | pa.ChunkedArray,
    country: pa.Array | pa.ChunkedArray | None,
    *,
    default_country: str | None,
    allowed_types: frozenset[str],
) -> pa.Table:
    """Normalise and validate a column of phones.

    Args:
        raw: string column, null where the source has none.
        country: string column of the same length, or None; blank falls back to the default.
        default_country: ISO 3166-1 alpha-2 for national forms, or None.
        allowed_types: libphonenumber type names in lower case.

    Returns:
        Same length: `phone` (string, E.164), `phone_key` (int64, its digits), `country`,
        `phone_type` and `reason` (strings). `reason` is null exactly where `phone` is not.
    """
    texts = pc.fill_null(_flat(raw), "")
    fallback = (default_country or "").strip().upper()
    if country is None:
        pairs = pc.binary_join_element_wise(texts, pa.scalar(fallback), _SEPARATOR)
    else:
        codes = pc.utf8_upper(pc.utf8_trim_whitespace(pc.fill_null(_flat(country), "")))
        codes = pc.if_else(pc.equal(codes, ""), pa.scalar(fallback), codes)
        pairs = pc.binary_join_element_wise(texts, codes, _SEPARATOR)
    encoded = pc.dictionary_encode(pairs)
    verdicts = [_verdict(pair, allowed_types) for pair in encoded.dictionary.to_pylist()]
    keys = pa.array([v.key for v in verdicts], pa.int64())
    digits = pc.cast(keys, pa.string())
    phones = pc.if_else(
        pc.is_valid(digits),
        pc.binary_join_element_wise("+", digits, ""),
        pa.scalar(None, pa.string()),
    )
    distinct = pa.table(
        {
            "phone": phones,
            "phone_key": keys,
            "country": pa.array([v.country for v in verdicts], pa.string()),
            "phone_type": pa.array([v.phone_type for v in verdicts], pa.string()),
            "reason": pa.array([v.reason for v in verdicts], pa.string()),
        }
    )
    return distinct.take(encoded.indices)


def _verdict(pair: str, allowed_types: frozenset[str]) -> Verdict:
    text, _, country = pair.rpartition(_SEPARATOR)
    return parse_phone(text, country, allowed_types)


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return flat.cast(pa.string())
