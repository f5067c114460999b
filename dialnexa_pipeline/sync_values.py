"""What single values of a sync's YAML may be: sizes, durations, schedules, owners."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from dialnexa_pipeline.cron import check_cron
from dialnexa_pipeline.phones import PHONE_TYPES
from dialnexa_pipeline.templates import is_template

_UNITS = {"kb": 1_000, "mb": 1_000_000, "kib": 1_024, "mib": 1_048_576, "b": 1, "": 1}
_DURATIONS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# As Dagster reads an owner.
_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
# Longer was meant otherwise, and no calendar can be turned back so far.
_LONGEST = timedelta(days=36_500)


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM]?i?[bB]?)", value.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise ValueError(f"{value!r} is not a size; write for example 9MB or 500kB")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def _dedupe(value: object) -> object:
    if value == "forever" or value is None:
        return None
    found = _read_duration(value)
    if found is None:
        raise ValueError(f"{value!r} is neither 'forever' nor a duration such as 30d or 12h")
    if not found:
        raise ValueError(f"{value!r} would call everybody again in each run; write 30d or forever")
    return found


def _duration(value: object) -> timedelta:
    found = _read_duration(value)
    if found is None:
        raise ValueError(f"{value!r} is no duration such as 2d or 12h")
    return found


def _read_duration(value: object) -> timedelta | None:
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)([mhdw])", value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        found = timedelta(**{_DURATIONS[match[2]]: int(match[1])})
    except (OverflowError, ValueError):
        found = timedelta.max
    if found > _LONGEST:
        raise ValueError(f"{match[0][:20]!r} is longer than a hundred years; write a shorter one")
    return found


def spell_duration(length: timedelta) -> str:
    """A duration as YAML says it: `7d`, `26h` or `90m`."""
    minutes = length // timedelta(minutes=1)
    for unit, of_minutes in (("d", 1_440), ("h", 60)):
        if minutes and minutes % of_minutes == 0:
            return f"{minutes // of_minutes}{unit}"
    return f"{minutes}m"


def _off(value: object) -> object:
    """YAML 1.1 reads a bare `off` as false."""
    return "off" if value is False else value


def _freshness(value: object) -> object:
    value = _off(value)
    if value == "off" or value is None:
        return value
    found = _read_duration(value)
    if found is None or found < timedelta(minutes=1):
        raise ValueError(f"{value!r} is neither 'off' nor a duration such as 26h or 8d")
    return found


def _full_scan(value: object) -> object:
    if value == "never":
        return value
    found = _read_duration(value)
    if found is None:
        raise ValueError(f"{value!r} is neither 'never' nor a duration such as 7d or 12h")
    return found


def _cron(value: object) -> object:
    return check_cron(value) if isinstance(value, str) and not is_template(value) else value


def _owner(value: object) -> object:
    is_owner = isinstance(value, str) and (_MAIL.fullmatch(value) or value[:5] == "team:" != value)
    if is_owner or is_template(value):
        return value
    raise ValueError(f"{value!r} is no owner; write an e-mail address, or team:name")


# What YAML may say, for editors and `dg check yaml`; the validators make the Python value of it.
Size = Annotated[
    int,
    BeforeValidator(_bytes),
    WithJsonSchema({"type": ["integer", "string"], "description": "Bytes, or a size such as 9MB."}),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+[mhdw]$"}),
]
FullScan = Annotated[
    timedelta | Literal["never"],
    BeforeValidator(_full_scan),
    WithJsonSchema({"type": "string", "pattern": r"^(never|\d+[mhdw])$"}),
]
Dedupe = Annotated[
    timedelta | None,
    BeforeValidator(_dedupe),
    WithJsonSchema({"type": ["string", "null"], "pattern": r"^(forever|0*[1-9]\d*[mhdw])$"}),
]
Preflight = Annotated[
    Literal["enforce", "warn", "off"],
    BeforeValidator(_off),
    WithJsonSchema({"enum": ["enforce", "warn", "off", False]}),
]
PhoneType = Annotated[str, WithJsonSchema({"type": "string", "enum": sorted(PHONE_TYPES)})]
Cron = Annotated[str, BeforeValidator(_cron)]
Owner = Annotated[str, BeforeValidator(_owner)]
Freshness = Annotated[
    timedelta | Literal["off"] | None,
    BeforeValidator(_freshness),
    WithJsonSchema({"type": ["string", "boolean", "null"], "pattern": r"^(off|\d+[mhdw])$"}),
]
