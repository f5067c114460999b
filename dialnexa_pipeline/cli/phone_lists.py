"""Phone numbers that an operator names: on the command line, or in a file."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.leads import REASONS
from dialnexa_pipeline.masking import mask_phone
from dialnexa_pipeline.phones import PHONE_TYPES, parse_phone

_HEADERS = ("phone_number", "phone", "mobile", "number")


@dataclass(slots=True)
class PhoneList:
    """Numbers, each once, and a sentence for each text that is none."""

    phones: list[int] = field(default_factory=list[int])
    problems: list[str] = field(default_factory=list[str])


def read_phones(texts: Iterable[tuple[str, str]], country: str | None) -> PhoneList:
    """Parse (where, text) pairs, in any international form.

    Args:
        country: ISO 3166-1 alpha-2 of numbers in national form; None when there are none.
    """
    found = PhoneList()
    for where, text in texts:
        number = text.strip()
        if number.startswith("00"):
            number = f"+{number[2:]}"
        verdict = parse_phone(number, country, PHONE_TYPES)
        if verdict.key is not None:
            found.phones.append(verdict.key)
            continue
        said = REASONS.get(f"invalid/{verdict.reason}", "This is not a phone number.")
        if verdict.reason == "no_country":
            said = "A national number without a country; write +country code, or give --country."
        found.problems.append(f"{where}: {mask_phone(number)} is not read. {said}")
    found.phones = list(dict.fromkeys(found.phones))
    return found


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of a CSV file's phone column, or of a file with one number a line.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file {path} cannot be read: {error}.") from None
    first_line = text.partition("\n")[0]
    delimiter = next((each for each in ";\t" if each in first_line), ",")
    rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    column = 0
    for number, row in enumerate(rows, start=1):
        if number == 1 and (header := _phone_column(row)) is not None:
            column = header
        elif column < len(row) and row[column].strip():
            yield f"{path.name} line {number}", row[column]


def _phone_column(row: list[str]) -> int | None:
    names = [cell.strip().lower() for cell in row]
    return next((names.index(name) for name in _HEADERS if name in names), None)
