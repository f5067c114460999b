"""Whole columns of raw phones to verdicts: tables for most numbers, `phonenumbers` for the rest."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.phones.digits import read_plain_numbers
from dialnexa_pipeline.phones.parsing import METADATA_VERSION, REGIONS, Verdict, parse_phone
from dialnexa_pipeline.phones.plans import UNDECIDED_PLAN
from dialnexa_pipeline.phones.reading import Reader
from dialnexa_pipeline.phones.spelling import mend_spellings, read_spelling

_SEPARATOR = "\x1f"
_AUDIT_EVERY = 1_000
_UNCOMPILED = -1
_Rows = NDArray[np.int64]
# One for the process: what it compiles for one batch serves all others.
READER = Reader()


class PhoneTablesWrong(DialNexaError):
    """Our tables and `phonenumbers` disagree about a number; nothing may be sent."""


@dataclass(frozen=True, slots=True)
class _Phones:
    """Raw phones with the region of each.

    Attributes:
        texts: no nulls.
        names: distinct region codes in upper case; "" stands for none.
        regions: index into `names`, one a text.
    """

    texts: pa.StringArray
    names: list[str]
    regions: _Rows

    def take(self, rows: _Rows) -> "_Phones":
        return _Phones(self.texts.take(pa.array(rows)), self.names, self.regions.take(rows))

    def verdict(self, row: int, allowed_types: frozenset[str]) -> Verdict:
        """What `phonenumbers` says."""
        name = self.names[self.regions[row]]
        return parse_phone(self.texts[row].as_py(), name, allowed_types)


class _Verdicts:
    """The result under construction: one verdict a row, each kept once.

    Attributes:
        keys: digits of the E.164 form (int64), where the verdict has one.
        numbers: row → its verdict's index; `UNDECIDED` until one is put.
    """

    UNDECIDED = -1

    def __init__(self, count: int, allowed_types: frozenset[str]) -> None:
        self.keys = np.zeros(count, np.int64)
        self.numbers = np.full(count, self.UNDECIDED, np.int32)
        self._allowed = allowed_types
        self._kinds: list[Verdict] = []
        self._known: dict[Verdict, int] = {}

    def put(self, rows: _Rows, verdict: Verdict) -> None:
        """One verdict for some rows."""
        self.keys[rows] = verdict.key or 0
        self.numbers[rows] = self._number(verdict, has_key=verdict.key is not None)

    def put_from(self, rows: _Rows, found: "_Verdicts", places: _Rows) -> None:
        """Take rows over from another result, each from its place there."""
        kinds = [self._number(kind, has_key=kind.key is not None) for kind in found._kinds]
        self.numbers[rows] = np.array(kinds, np.int32).take(found.numbers).take(places)
        self.keys[rows] = found.keys.take(places)

    def put_read(self, rows: _Rows, plans: NDArray[np.int32], keys: NDArray[np.int64]) -> None:
        """What tables decided, as `Plans.judgements` counts it."""
        kinds = np.zeros(len(READER.plans.judgements), np.int32)
        for plan in np.unique(plans).tolist():
            judgement = READER.plans.judgements[plan]
            reason = judgement.reason
            if reason is None and judgement.phone_type not in self._allowed:
                reason = "unwanted_type"
            verdict = Verdict(None, judgement.country, judgement.phone_type, reason)
            kinds[plan] = self._number(verdict, has_key=reason is None)
        self.numbers[rows] = kinds.take(plans)
        self.keys[rows] = keys

    def verdict(self, row: int) -> Verdict:
        kind = self._kinds[self.numbers[row]]
        key = int(self.keys[row]) if kind.key is not None else None
        return Verdict(key, kind.country, kind.phone_type, kind.reason)

    def table(self) -> pa.Table:
        has_key = np.array([kind.key is not None for kind in self._kinds] or [False], np.bool_)
        keys = pa.array(self.keys, mask=~has_key.take(self.numbers))
        numbers = pa.array(self.numbers)
        digits = pc.cast(keys, pa.string())
        return pa.table(
            {
                "phone": pc.binary_join_element_wise("+", digits, ""),
                "phone_key": keys,
                **{
                    name: pa.array([getattr(kind, name) for kind in self._kinds], pa.string()).take(
                        numbers
                    )
                    for name in ("country", "phone_type", "reason")
                },
            }
        )

    def _number(self, kind: Verdict, *, has_key: bool) -> int:
        # A key of 0 stands for "it has one": the keys themselves are in their own column.
        kind = Verdict(0 if has_key else None, kind.country, kind.phone_type, kind.reason)
        if kind not in self._known:
            self._known[kind] = len(self._kinds)
            self._kinds.append(kind)
        return self._known[kind]


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

    Raises:
        PhoneTablesWrong: one number in a thousand is looked up in `phonenumbers` as well, and the
            two differ.
    """
    phones = _phones(raw, country, (default_country or "").strip().upper())
    verdicts = _Verdicts(len(phones.texts), allowed_types)
    _look_up(phones, np.arange(len(phones.texts)), verdicts)
    _look_up_mended(phones, np.flatnonzero(verdicts.numbers < 0), verdicts)
    _audit(phones, np.flatnonzero(verdicts.numbers >= 0)[::_AUDIT_EVERY], verdicts, allowed_types)
    _parse_rest(phones, np.flatnonzero(verdicts.numbers < 0), verdicts, allowed_types)
    return verdicts.table()


def _look_up(phones: _Phones, rows: _Rows, verdicts: _Verdicts) -> None:
    """Put what the tables decide; `rows` are the places of the phones in the result."""
    plain = read_plain_numbers(phones.texts)
    regions = phones.regions.take(plain.rows)
    compiled = np.full(len(phones.names), _UNCOMPILED, np.int64)
    for number, name in enumerate(phones.names):
        if name in REGIONS:
            found = READER.regions.number(name)
            compiled[number] = _UNCOMPILED if found is None else found
        else:
            picked = np.flatnonzero(~plain.has_plus & (regions == number))
            reason = "unknown_country" if name else "no_country"
            verdicts.put(rows.take(plain.rows.take(picked)), Verdict(reason=reason))
    reading = READER.read(plain.digits, plain.has_plus, compiled.take(regions))
    decided = np.flatnonzero(reading.plan != UNDECIDED_PLAN)
    verdicts.put_read(
        rows.take(plain.rows.take(decided)), reading.plan.take(decided), reading.key.take(decided)
    )


def _look_up_mended(phones: _Phones, rows: _Rows, verdicts: _Verdicts) -> None:
    """Put what the tables decide once the most frequent damage is mended."""
    rest = phones.take(rows)
    mended = mend_spellings(rest.texts)
    changed = np.flatnonzero(pc.not_equal(mended, rest.texts).to_numpy(zero_copy_only=False))
    texts = mended.take(pa.array(changed))
    _look_up(_Phones(texts, rest.names, rest.regions.take(changed)), rows.take(changed), verdicts)


def _parse_rest(
    phones: _Phones, rows: _Rows, verdicts: _Verdicts, allowed_types: frozenset[str]
) -> None:
    """Distinct spellings that the tables left: mended and looked up again, or parsed."""
    rest = phones.take(rows)
    names = pa.array(phones.names, pa.string()).take(pa.array(rest.regions))
    pairs = pc.binary_join_element_wise(rest.texts, names, _SEPARATOR)
    encoded = pc.dictionary_encode(pairs)
    _, firsts = np.unique(encoded.indices.to_numpy(), return_index=True)
    distinct = rest.take(firsts)
    found = _Verdicts(len(firsts), allowed_types)
    mended: list[str] = []
    for number, text in enumerate(distinct.texts.to_pylist()):
        spelling = read_spelling(text)
        mended.append(spelling.text)
        if spelling.reason is not None:
            found.put(np.array([number]), Verdict(reason=spelling.reason))
    open_rows = np.flatnonzero(found.numbers < 0)
    texts = pa.array(mended, pa.string()).take(pa.array(open_rows))
    _look_up(_Phones(texts, phones.names, distinct.regions.take(open_rows)), open_rows, found)
    for number in np.flatnonzero(found.numbers < 0).tolist():
        found.put(np.array([number]), distinct.verdict(number, allowed_types))
    verdicts.put_from(rows, found, encoded.indices.to_numpy())


def _audit(
    phones: _Phones, rows: _Rows, verdicts: _Verdicts, allowed_types: frozenset[str]
) -> None:
    for row in rows.tolist():
        if verdicts.verdict(row) != phones.verdict(row, allowed_types):
            raise PhoneTablesWrong(
                f"The phone tables that were built from phonenumbers {METADATA_VERSION} decide a "
                f"number of region {phones.names[phones.regions[row]] or '(none)'} in another way "
                "than the package itself does. Nothing was planned or sent. Install the release of "
                "phonenumbers that dialnexa-pipeline was tested with (uv.lock), and report it."
            )


def _phones(
    raw: pa.Array | pa.ChunkedArray, country: pa.Array | pa.ChunkedArray | None, fallback: str
) -> _Phones:
    texts = pc.fill_null(_flat(raw), "")
    if country is None:
        return _Phones(texts, [fallback], np.zeros(len(texts), np.int64))
    encoded = pc.dictionary_encode(pc.fill_null(_flat(country), ""))
    codes = [code.strip().upper() or fallback for code in encoded.dictionary.to_pylist()]
    places = {code: place for place, code in enumerate(dict.fromkeys(codes))}
    numbers = np.array([places[code] for code in codes] or [0], np.int64)
    return _Phones(texts, list(places), numbers.take(encoded.indices.to_numpy()))


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return flat.cast(pa.string())
