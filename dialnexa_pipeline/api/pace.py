"""One pace per API key: how long to wait when DialNexa asks for it, and before it has to ask."""

import hashlib
import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST, _LONGEST = 1.0, 60.0
# `Retry-After: 0`, again and again, must not become a busy loop.
_SHORTEST = 0.1
# The last fifth of a window's requests is spread over the time until it ends.
_SLOW_SHARE = 0.2
# No window lasts an hour: such a reset is in a unit that we do not know.
_LONGEST_WINDOW = 3600.0
_FIRST_EPOCH_SECOND, _FIRST_EPOCH_MILLISECOND = 1e9, 1e12


def retry_after(headers: Mapping[str, str], *, attempt: int) -> float:
    """Seconds to wait after a 429: `Retry-After` in seconds or as a date, else 1, 2, 4 … 60."""
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    moment = _date(text)
    if moment is not None:
        return max(0.0, (moment - _server_now(headers)).total_seconds())
    return min(_FIRST * 2.0 ** min(attempt, 10), _LONGEST)


@dataclass(slots=True)
class _Window:
    """What DialNexa still allows until its counter starts again (on the monotonic clock)."""

    limit: int
    remaining: int
    resets_at: float


class Pace:
    """The requests of one API key, from every thread and client of the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens_at = 0.0
        self._window: _Window | None = None

    def seconds_until_turn(self) -> float:
        """How long a request has to wait; at 0 it is counted and must leave now."""
        with self._lock:
            now = time.monotonic()
            if now < self._opens_at:
                return self._opens_at - now
            window = self._window
            if window is None or now >= window.resets_at:
                self._window = None
                return 0.0
            left = window.resets_at - now
            if window.remaining <= 0:
                return left
            if window.remaining <= window.limit * _SLOW_SHARE:
                self._opens_at = now + left / (window.remaining + 1)
            window.remaining -= 1
            return 0.0

    def heed(self, headers: Mapping[str, str]) -> None:
        """Learn from the `x-ratelimit-*` headers of any answer."""
        remaining = _leading_number(headers.get("x-ratelimit-remaining", ""))
        left = _seconds_to_reset(headers)
        if remaining is None or left is None:
            return
        limit = _leading_number(headers.get("x-ratelimit-limit", ""))
        with self._lock:
            self._window = _Window(
                limit if limit is not None else remaining, remaining, time.monotonic() + left
            )

    def slow_down(self, headers: Mapping[str, str], *, attempt: int) -> float:
        """Let nothing leave for as long as a 429 asks for; return those seconds.

        Args:
            attempt: how many 429 the same call met before; each costs at least twice as long.
        """
        shortest = min(_SHORTEST * 2.0 ** min(attempt, 10), _LONGEST)
        wait = max(retry_after(headers, attempt=attempt), shortest)
        with self._lock:
            self._opens_at = max(self._opens_at, time.monotonic() + wait)
        return wait


class Allowance:
    """The seconds that one run may wait in all; safe from any thread.

    Threads that wait at the same time use the same seconds.
    """

    def __init__(self, seconds: float) -> None:
        self.total = seconds
        self._left = seconds
        self._taken_until = 0.0
        self._lock = threading.Lock()

    def spend(self, seconds: float) -> bool:
        """Take the seconds from now on out; False, taking none, when so many are not left."""
        with self._lock:
            now = time.monotonic()
            more = max(0.0, now + seconds - max(now, self._taken_until))
            if more > self._left:
                return False
            self._left -= more
            self._taken_until = max(self._taken_until, now + seconds)
            return True


_paces: dict[str, Pace] = {}
_paces_lock = threading.Lock()


def pace_of(base_url: str, api_key: str) -> Pace:
    """The one pace of a key at a server."""
    name = hashlib.sha256(f"{base_url}\n{api_key}".encode()).hexdigest()
    with _paces_lock:
        return _paces.setdefault(name, Pace())


def _seconds_to_reset(headers: Mapping[str, str]) -> float | None:
    """`x-ratelimit-reset` as seconds from now, or as a moment in seconds or milliseconds."""
    value = _number(headers.get("x-ratelimit-reset", "").strip())
    if value is None or value < 0:
        return None
    if value >= _FIRST_EPOCH_SECOND:
        moment = value / 1000 if value >= _FIRST_EPOCH_MILLISECOND else value
        value = max(0.0, moment - _server_now(headers).timestamp())
    return value if value <= _LONGEST_WINDOW else None


def _server_now(headers: Mapping[str, str]) -> datetime:
    """The clock that stamped the answer's moments; ours where the answer does not tell it."""
    return _date(headers.get("date", "")) or datetime.now(UTC)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _leading_number(text: str) -> int | None:
    """`150`, and `150;w=60` or `150, 150;w=60` as other servers write it."""
    match = re.match(r"\s*(\d{1,12})", text, re.ASCII)
    return int(match[1]) if match is not None else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
