"""`python -m benchmarks.phone_exactness`: our phone tables against `phonenumbers`, row by row.

Every corpus goes through the tables as whole columns and through `phonenumbers` one by one; all
fields of the verdict must be equal.
"""

import argparse
import itertools
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import phonenumbers
import pyarrow as pa
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType

from dialnexa_pipeline.phones import METADATA_VERSION, PHONE_TYPES, normalise_phones, parse_phone
from dialnexa_pipeline.phones.columns import READER
from dialnexa_pipeline.phones.machine import Machine

Case = tuple[str, str]
_RESULTS = Path(__file__).parent / "results" / "phone_exactness.json"
_REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
_CHUNK = 50_000
_ALPHABET = "0123456789" * 6 + " -().+/[]" * 2 + "０１３５٣٤९ー－＋xX#,;*~'=Ee\t\u200bабе"


@dataclass(frozen=True, slots=True)
class Difference:
    """One phone on which the two differ; `ours` and `theirs` are (key, country, type, reason)."""

    raw: str
    region: str
    ours: tuple[object, ...]
    theirs: tuple[object, ...]


def differences(cases: list[Case]) -> list[Difference]:
    """Both ways for all cases; empty when they agree."""
    raw, regions = zip(*cases, strict=True)
    table = normalise_phones(
        pa.array(raw, pa.string()),
        pa.array(regions, pa.string()),
        default_country=None,
        allowed_types=PHONE_TYPES,
    )
    found: list[Difference] = []
    for text, region, row in zip(raw, regions, table.to_pylist(), strict=True):
        verdict = parse_phone(text, region, PHONE_TYPES)
        ours = (row["phone_key"], row["country"], row["phone_type"], row["reason"])
        theirs = (verdict.key, verdict.country, verdict.phone_type, verdict.reason)
        spelled = None if verdict.key is None else f"+{verdict.key}"
        if ours != theirs or row["phone"] != spelled:
            found.append(Difference(text, region, ours, theirs))
    return found


def examples(rng: random.Random, spellings: int) -> Iterator[Case]:
    """The example number of every region and type, in many spellings under several regions."""
    for region, kind in itertools.product(_REGIONS, range(11)):
        if kind == PhoneNumberType.UNKNOWN:
            continue
        number = phonenumbers.example_number_for_type(region, kind)
        if number is not None:
            yield from _spelled(number, region, rng, spellings)
    for code in COUNTRY_CODE_TO_REGION_CODE:
        number = phonenumbers.example_number_for_non_geo_entity(code)
        if number is not None:
            yield from _spelled(number, "IN", rng, spellings)


def _spelled(
    number: phonenumbers.PhoneNumber, region: str, rng: random.Random, spellings: int
) -> Iterator[Case]:
    code = str(number.country_code)
    national = phonenumbers.national_significant_number(number)
    metadata = PhoneMetadata.metadata_for_region(region, None)
    trunk = (metadata.national_prefix if metadata is not None else None) or "0"
    others = [COUNTRY_CODE_TO_REGION_CODE[number.country_code][0], rng.choice(_REGIONS), "IN", ""]
    bodies = [
        national,
        f"+{code}{national}",
        f"+{code} {national}",
        f"{code}{national}",
        f"{trunk}{national}",
        f"+{code} ({trunk}){national}",
        f"{code}{trunk}{national}",
        f"00{code}{national}",
        f"00 {code} {trunk} {national}",
        f"011{code}{national}",
        f"+00{code}{national}",
        f"00{national}",
        f"{national}.0",
        f"{national}{national}",
        f"{national[:-1]}",
        f"{national}7",
        f"+{national}",
        f"tel:+{code}-{national}",
        f"{national} x12",
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL),
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL),
        phonenumbers.format_out_of_country_calling_number(number, "US"),
    ]
    for _ in range(spellings):
        body = rng.choice(bodies)
        if rng.random() < 0.4:
            place = rng.randrange(len(body) + 1)
            body = body[:place] + rng.choice(" -.()/[]") + body[place:]
        yield body, region if rng.random() < 0.6 else rng.choice(others)


def random_texts(rng: random.Random, count: int) -> Iterator[Case]:
    """Digits with anything between them, under any region, known or not."""
    for _ in range(count):
        text = "".join(rng.choices(_ALPHABET, k=rng.randrange(1, 22)))
        if rng.random() < 0.3:
            text = rng.choice(["+", "00", "+91", "0", "(+44)", "'", "-"]) + text
        region = rng.choice(_REGIONS) if rng.random() < 0.9 else rng.choice(["", "XX", "in", "001"])
        yield text, region


def region_sweep(rng: random.Random, count: int) -> Iterator[Case]:
    """Random national numbers of about the right length behind what people put in front."""
    metadata = {name: PhoneMetadata.metadata_for_region(name, None) for name in _REGIONS}
    for _ in range(count):
        region = rng.choice(_REGIONS)
        rules = metadata[region]
        assert rules is not None
        assert rules.general_desc is not None
        length = max(
            1, rng.choice(rules.general_desc.possible_length) + rng.choice([0, 0, 0, -1, 1])
        )
        national = "".join(rng.choices("0123456789", k=length))
        code, trunk = rules.country_code, rules.national_prefix or "0"
        fronts = [
            "",
            "",
            trunk,
            f"{code}",
            f"+{code}",
            f"00{code}",
            f"{code}0",
            f"+{code}0",
            "9",
            "1",
        ]
        yield rng.choice(fronts) + national, region


def transition_cover() -> Iterator[Case]:
    """Every state of every plan and rule, and each digit after it."""
    for code in COUNTRY_CODE_TO_REGION_CODE:
        for number in _covering(READER.plans.machine, READER.plans.start(code)):
            yield f"+{code}{number}", ""
    for region in _REGIONS:
        row = READER.regions.number(region)
        if row is None:
            continue
        rules = READER.regions.rules()
        for number in itertools.chain(
            _covering(READER.regions.prefixes, int(rules.idd[row])),
            _covering(READER.regions.prefixes, int(rules.prefix[row])),
            _covering(READER.regions.general, int(rules.general[row])),
        ):
            yield number, region
            yield f"{rules.calling_code[row]}{number}", region


def _covering(machine: Machine, start: int) -> Iterator[str]:
    """For every state a number that leads to it, with every digit behind."""
    witnesses = {start: ""}
    waiting = [start]
    for state in waiting:
        for digit in range(10):
            following = int(machine.next[state, digit])
            number = f"{witnesses[state]}{digit}"
            yield number
            if following not in witnesses:
                witnesses[following] = number
                waiting.append(following)


def corpora(scale: float, seed: int) -> dict[str, Callable[[], Iterator[Case]]]:
    """Name → cases; 1.0 is the full size, and the transition cover is always whole."""
    return {
        "examples": lambda: examples(random.Random(seed), max(2, int(170 * scale))),
        "random": lambda: random_texts(random.Random(seed + 1), int(1_000_000 * scale)),
        "region sweep": lambda: region_sweep(random.Random(seed + 2), int(700_000 * scale)),
        "transition cover": transition_cover,
    }


def chunks(cases: Iterator[Case]) -> Iterator[list[Case]]:
    """Columns of bounded length."""
    while chunk := list(itertools.islice(cases, _CHUNK)):
        yield chunk


def main() -> int:
    """Exit code 1 when they differ anywhere."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.phone_exactness")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    READER.compile_everything()
    sums: dict[str, dict[str, float]] = {}
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for name, cases in corpora(arguments.scale, arguments.seed).items():
            started, rows, bad = time.perf_counter(), 0, 0
            for chunk, found in pool.imap_unordered(_compared, chunks(cases())):
                rows, bad = rows + chunk, bad + len(found)
                for difference in found[:5]:
                    print(f"  {difference}")
            seconds = round(time.perf_counter() - started, 1)
            sums[name] = {"rows": rows, "differences": bad, "seconds": seconds}
            print(f"{name:<20}{rows:>10,} rows{bad:>6,} differences{seconds:>8.1f} s", flush=True)
    if arguments.scale >= 1:
        document = {"phonenumbers": METADATA_VERSION, "seed": arguments.seed, "corpora": sums}
        _RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    return 1 if any(each["differences"] for each in sums.values()) else 0


def _compared(chunk: list[Case]) -> tuple[int, list[Difference]]:
    return len(chunk), differences(chunk)


if __name__ == "__main__":
    sys.exit(main())
