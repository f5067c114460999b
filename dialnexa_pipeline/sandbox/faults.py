"""Faults to order: each is used up after `times` matching requests."""

import threading
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

Kind = Literal[
    "rate_limited",
    "error_before",
    "error_after",
    "reset_before",
    "reset_after",
    "slow",
    "truncate_body",
    "partial_accept",
    "late_visibility",
    "unreadable_body",
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Fault:
    """One ordered fault.

    Attributes:
        status: of `error_before` and `error_after`.
        seconds: of `slow` and `late_visibility`.
        retry_after: header of `rate_limited`, seconds or an HTTP date; None leaves it out.
        share: of the rows that `partial_accept` enrols.
        method, path: only requests that match; the path is a prefix after `/v1`.
    """

    kind: Kind
    times: int = 1
    status: int = 503
    seconds: float = 1.0
    retry_after: str | None = None
    share: float = 0.5
    method: str | None = None
    path: str | None = None


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

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault for this request; one use of it is spent."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.method is not None and fault.method != method:
                    continue
                if fault.path is not None and not path.startswith(fault.path):
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
        ValueError: an unknown kind or key; the sentence names the choices.
    """
    kind = document.get("kind")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choices: {', '.join(KINDS)}")
    known = set(Fault.__dataclass_fields__)
    unknown = sorted(set(document) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; choices: {', '.join(sorted(known))}")
    return Fault(**document)
