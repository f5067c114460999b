"""`python -m benchmarks.phone_speed`: phones a second, beside a pandas `apply`."""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import phonenumbers
import pyarrow as pa

from dialnexa_pipeline.phones import PHONE_TYPES, normalise_phones
from dialnexa_pipeline.phones.columns import READER
from dialnexa_pipeline.phones.digits import read_plain_numbers

_RESULTS = Path(__file__).parent / "results" / "phone_speed.json"
_BATCH = 65_536
_LENGTHS = {"IN": 10, "US": 10, "GB": 10, "AE": 9, "DE": 11}
_FRONTS = {
    "IN": ["6", "7", "8", "9"],
    "US": ["2122", "4153", "3124", "6465"],
    "GB": ["73", "74", "75", "77"],
    "AE": ["50", "52", "54", "56"],
    "DE": ["151", "152", "157", "159"],
}
_CODES = {"IN": "91", "US": "1", "GB": "44", "AE": "971", "DE": "49"}


def messy_phones(rows: int, seed: int = 1) -> tuple[list[str], list[str]]:
    """Raw phones and their countries as a CRM holds them: mostly valid, spelled in many ways."""
    rng = random.Random(seed)
    countries = rng.choices(list(_CODES), [70, 10, 8, 6, 6], k=rows)
    return [_messy(rng, country) for country in countries], countries


def _messy(rng: random.Random, country: str) -> str:
    front, code = rng.choice(_FRONTS[country]), _CODES[country]
    digits = front + "".join(rng.choices("0123456789", k=_LENGTHS[country] - len(front)))
    kind = rng.random()
    if kind < 0.72:
        spellings = [
            digits,
            digits,
            f"+{code}{digits}",
            f"{digits[:5]} {digits[5:]}",
            f"+{code} {digits[:3]} {digits[3:6]} {digits[6:]}",
            f"({digits[:3]}) {digits[3:6]}-{digits[6:]}",
        ]
        return rng.choice(spellings)
    if kind < 0.93:
        return rng.choice([f"{code}{digits}", f"00{code}{digits}", f"{digits}.0", f"'{digits}"])
    if kind < 0.95:
        return digits[:-3]
    if kind < 0.98:
        return rng.choice(["", "n/a", "12", "-", "none", "5", "000"])
    return f"{digits} ext {rng.randrange(999)}" if kind < 0.989 else f"{digits}99999"


def by_tables(phones: pa.Array, countries: pa.Array) -> pa.Array:
    """E.164 (null when invalid) as a sync does it."""
    pieces = [
        normalise_phones(
            phones.slice(start, _BATCH),
            countries.slice(start, _BATCH),
            default_country=None,
            allowed_types=PHONE_TYPES,
        )["phone"]
        for start in range(0, len(phones), _BATCH)
    ]
    return pa.chunked_array([chunk for piece in pieces for chunk in piece.chunks]).combine_chunks()


def by_apply(frame: pd.DataFrame) -> "pd.Series[str]":
    """The same by the script that people write."""

    def normalised(row: "pd.Series[str]") -> str | None:
        try:
            number = phonenumbers.parse(row["phone"], row["country"])
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_valid_number(number):
            return None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    return frame.apply(normalised, axis=1)


def main() -> int:
    """Print medians and keep them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phone_speed")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--apply-rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    raw, names = messy_phones(arguments.rows)
    phones, countries = pa.array(raw), pa.array(names)
    frame = pd.DataFrame({"phone": raw, "country": names}).head(arguments.apply_rows)
    started = time.perf_counter()
    by_tables(phones.slice(0, _BATCH), countries.slice(0, _BATCH))
    first = time.perf_counter() - started
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(arguments.rounds):
        ours.append(arguments.rows / _seconds(lambda: by_tables(phones, countries)))
        theirs.append(len(frame) / _seconds(lambda: by_apply(frame)))
    plain = read_plain_numbers(phones)
    known = np.array([READER.regions.number(name) for name in _CODES])
    regions = known[[list(_CODES).index(names[row]) for row in plain.rows.tolist()]]
    decided = np.count_nonzero(READER.read(plain.digits, plain.has_plus, regions).plan)
    document = {
        "rows": arguments.rows,
        "tables_rows_per_second": round(statistics.median(ours)),
        "tables_range": [round(min(ours)), round(max(ours))],
        "apply_rows_per_second": round(statistics.median(theirs)),
        "apply_range": [round(min(theirs)), round(max(theirs))],
        "ratio": round(statistics.median(ours) / statistics.median(theirs), 1),
        "decided_at_first_look": round(decided / arguments.rows, 4),
        "first_batch_with_compiling_seconds": round(first, 2),
    }
    print(json.dumps(document, indent=2))
    _RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
