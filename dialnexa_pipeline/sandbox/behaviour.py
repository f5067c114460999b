"""How the sandbox answers where DialNexa's documents leave the form open."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

UploadForm = Literal["map", "count", "one"]
ListForm = Literal["whole", "paged"]
ErrorForm = Literal[
    "groups",
    "by_reason",
    "phones",
    "rows",
    "strings",
    "nested",
    "positions",
    "position_strings",
    "unattributed",
]

_CHOICES: dict[str, tuple[Any, ...]] = {
    "upload_form": get_args(UploadForm),
    "upload_status": (200, 201),
    "list_form": get_args(ListForm),
    "error_form": get_args(ErrorForm),
    "first_position": (0, 1, 2),
}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Forms of answers; a reset brings the defaults back.

    Attributes:
        upload_form: body of an accepted upload: `map` from phone to lead ids, `count`, or `one`
            lead (an upload of several rows is then answered as `count`).
        upload_status: 201, or 200.
        list_form: all leads in `whole` body, or `paged` with `page`, `limit` and `meta`.
        error_form: nesting of row errors in a 400; `positions` and `position_strings` tell no
            phones, `unattributed` names no rows at all.
        first_position: number of the first data row; 2 counts the header as row 1.
        max_upload_bytes: larger files are answered 413; None for no limit.
        rate_limit: requests per 60 seconds as the headers tell it; the default slows nobody down
            (150 were seen at DialNexa).
        step_seconds: how long a lead of an active workflow stays pending, and then how long each
            step of its call takes; None lets nobody go on but by the order `advance`.
        enforce_rate_limit: whether the request after the last one is answered 429.
    """

    upload_form: UploadForm = "map"
    upload_status: int = 201
    list_form: ListForm = "whole"
    error_form: ErrorForm = "groups"
    first_position: int = 1
    max_upload_bytes: int | None = None
    step_seconds: float | None = None
    rate_limit: int = 1_000_000
    enforce_rate_limit: bool = False


def changed(behaviour: Behaviour, document: dict[str, Any]) -> Behaviour:
    """The behaviour with the keys of a JSON object put in.

    Raises:
        ValueError: an unknown key or a value that is no choice; the sentence names the choices.
    """
    known = [field.name for field in fields(Behaviour)]
    for key, value in document.items():
        if key not in known:
            raise ValueError(f"unknown key {key!r}; choices: {', '.join(known)}")
        choices = _CHOICES.get(key)
        if choices is not None:
            if isinstance(value, bool) or value not in choices:
                raise ValueError(f"{key} is {value!r}; choices: {', '.join(map(str, choices))}")
        elif key == "enforce_rate_limit":
            if not isinstance(value, bool):
                raise ValueError(f"{key} is {value!r}; choices: true, false")
        elif key in {"max_upload_bytes", "step_seconds"} and value is None:
            continue
        elif key == "step_seconds":
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ValueError(f"{key} is {value!r}; it must be a number above 0")
        elif isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{key} is {value!r}; it must be a whole number of at least 1")
    return replace(behaviour, **document)
