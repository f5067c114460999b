"""Faults to order: each is used up after `times` matching requests."""

import threading
import time
from dataclasses import asdict, dataclass, fields, replace
from email.utils import formatdate
from typing import Any, Literal, get_args

AnswerKind = Literal[
    "rate_limited",
    "error_before",
    "error_after",
    "reset_before",
    "reset_after",
    "slow",
    "truncate_body",
    "unreadable_body",
]
EnrolmentKind = Literal["partial_accept", "late_visibility"]
ANSWER_KINDS: tuple[str, ...] = get_args(AnswerKind)
ENROLMENT_KINDS: tuple[str, ...] = get_args(EnrolmentKind)
KINDS: tuple[str, ...] = (*ANSWER_KINDS, *ENROLMENT_KINDS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One ordered fault.

    Attributes:
        kind: what goes wrong. `partial_accept` and `late_visibility` wait for an upload that
            enrols somebody, so that they can be joined with one fault of the answer.
        times: how many requests it meets, at least 1.
        status: of `error_before` and `error_after`, 400 to 599.
        seconds: of `slow` and `late_visibility`, and how far ahead a `retry_after` date lies.
        retry_after: header of `rate_limited`: seconds, an HTTP date as text, or `date` for the
            date that lies `seconds` ahead; None leaves the header out.
        share: of the rows that `partial_accept` enrols, 0 to 1.
        method, path: only requests that match; the path is a prefix after `/v1`.
    """

    kind: AnswerKind | EnrolmentKind
    times: int = 1
    status: int = 503
    seconds: float = 1.0
    retry_after: int | str | None = None
    share: float = 0.5
    method: str | None = None
    path: str | None = None

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is one that this fault was ordered for."""
        return (self.method is None or self.method.upper() == method) and (
            self.path is None or path.startswith(self.path)
        )

    def retry_after_header(self) -> dict[str, str]:
        """`Retry-After` as ordered, or no header."""
        if self.retry_after is None:
            return {}
        if self.retry_after == "date":
            return {"retry-after": formatdate(time.time() + self.seconds, usegmt=True)}
        return {"retry-after": str(self.retry_after)}


class FaultQueue:
    """Faults in the order they were asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def order(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def ordered(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, method: str, path: str, kinds: tuple[str, ...]) -> Fault | None:
        """The first fault of these kinds for this request; one use of it is spent."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.kind not in kinds or not fault.matches(method, path):
                    continue
                if fault.times > 1:
                    self._faults[index] = replace(fault, times=fault.times - 1)
                else:
                    del self._faults[index]
                return fault
        return None


def fault_from(document: dict[str, Any]) -> Fault:
    """A fault out of JSON.

    Raises:
        ValueError: an unknown kind or key, or a value out of range; the sentence says which.
    """
    kind = document.get("kind")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choices: {', '.join(KINDS)}")
    known = [field.name for field in fields(Fault)]
    for key in document:
        if key not in known:
            raise ValueError(f"unknown key {key!r}; choices: {', '.join(known)}")
    _within(document, "times", 1, 1_000_000, whole=True)
    _within(document, "status", 400, 599, whole=True)
    _within(document, "seconds", 0, 86_400)
    _within(document, "share", 0, 1)
    for key in ("method", "path"):
        if not isinstance(document.get(key), str | None):
            raise ValueError(f"{key} is {document[key]!r}; it must be text")
    retry_after = document.get("retry_after")
    if isinstance(retry_after, bool) or not isinstance(retry_after, int | str | None):
        raise ValueError(f"retry_after is {retry_after!r}; it must be seconds, a date or null")
    return Fault(**document)


def _within(
    document: dict[str, Any], key: str, least: int, most: int, *, whole: bool = False
) -> None:
    value = document.get(key, least)
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not least <= value <= most:
        raise ValueError(f"{key} is {value!r}; it must be a number from {least} to {most}")
