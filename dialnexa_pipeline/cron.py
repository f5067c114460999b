"""Whether a text is a cron schedule that Dagster takes, without Dagster."""

import re

_ALIASES = frozenset(
    {"@midnight", "@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"}
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTH_NAMES = {name: number for number, name in enumerate(_MONTHS, start=1)}
_WEEKDAY_NAMES = {name: number for number, name in enumerate(_WEEKDAYS)} | {"7": 0}
# The last day of a month, which every month has.
_LAST_DAY = 28
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", re.ASCII)
# The second Friday, `fri#2`, or the last one, `l5`.
_NTH_WEEKDAY = re.compile(r"(?:[0-7]|sun|mon|tue|wed|thu|fri|sat)#[1-5]|l[0-6]")


def check_cron(text: str) -> str:
    """The text, if it is a schedule of five fields that comes due at all.

    Raises:
        ValueError: it is none; the sentence says which field is wrong.
    """
    if text.lower() in _ALIASES:
        return text
    fields = text.lower().split()
    if len(fields) != 5:
        raise ValueError(
            f"{text!r} has {len(fields)} of the five fields of a cron schedule: minute, hour, day, "
            "month and weekday, for example '0 9 * * 1-5'"
        )
    minutes, hours, days, months, weekdays = fields
    found = {
        "minute": _numbers(minutes, 0, 59, {}),
        "hour": _numbers(hours, 0, 23, {}),
        "day": _numbers("*" if days == "?" else days, 1, 31, {"l": _LAST_DAY}),
        "month": _numbers(months, 1, 12, _MONTH_NAMES),
        "weekday": _weekdays("*" if weekdays == "?" else weekdays),
    }
    for name, numbers in found.items():
        if not numbers:
            raise ValueError(
                f"{text!r} is no cron schedule: its {name} is not one; write for example "
                "'0 9 * * 1-5'"
            )
    # With a weekday as well, either of the two is enough.
    is_any_weekday = weekdays in {"*", "?"}
    if is_any_weekday and min(found["day"]) > max(_DAYS[month - 1] for month in found["month"]):
        raise ValueError(f"{text!r} never comes due: no such month has that day")
    return text


def _weekdays(field: str) -> set[int]:
    items = field.split(",")
    nth = [item for item in items if _NTH_WEEKDAY.fullmatch(item)]
    if nth:
        # The two kinds cannot be mixed.
        return set(range(7)) if len(nth) == len(items) else set()
    return _numbers(field, 0, 6, _WEEKDAY_NAMES)


def _numbers(field: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    """The numbers that a field names; none when it is wrong."""
    found: set[int] = set()
    for item in field.split(","):
        match = _ITEM.fullmatch(item)
        # `l` stands alone.
        if match is None or (item != "l" and "l" in (match[1], match[2])):
            return set()
        first, last, step = match[1], match[2], int(match[3] or 1)
        if first == "*":
            begin, end = (low, high) if last is None else (-1, -1)
        else:
            begin = _number(first, names)
            end = _number(last, names) if last is not None else high if match[3] else begin
        if not (low <= begin <= high and low <= end <= high and step):
            return set()
        # From Saturday to Monday, or from ten at night to six.
        around = range(low, end + 1, step) if end < begin else range(0)
        found |= {*range(begin, (end if begin <= end else high) + 1, step), *around}
    return found


def _number(text: str, names: dict[str, int]) -> int:
    return names.get(text, int(text) if text.isdecimal() else -1)
