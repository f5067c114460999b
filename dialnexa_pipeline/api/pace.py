"""How long to wait when DialNexa asks for it."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST, _LONGEST = 1.0, 60.0
# `Retry-After: 0`, again and again, must not become a busy loop.
_SHORTEST = 0.1


def retry_after(headers: Mapping[str, str], *, attempt: int) -> float:
    """Seconds to wait after a 429: `Retry-After` in seconds or as a date, else 1, 2, 4 … 60."""
    text = headers.get("retry-after", "").strip()
    if text:
        try:
            seconds = float(text)
        except ValueError:
            pass
        else:
            if math.isfinite(seconds):
                return max(0.0, seconds)
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            moment = None
        if moment is not None:
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return min(_FIRST * 2.0 ** min(attempt, 10), _LONGEST)


class Patience:
    """The waiting of one call: every 429 costs at least twice as long as the one before."""

    def __init__(self, max_wait: float) -> None:
        self._left = max_wait
        self._attempt = 0
        self.last: float | None = None

    def next_wait(self, headers: Mapping[str, str]) -> float | None:
        """Seconds to wait now; None when that would exceed `max_wait` seconds in all."""
        shortest = min(_SHORTEST * 2.0 ** min(self._attempt, 10), _LONGEST)
        self.last = max(retry_after(headers, attempt=self._attempt), shortest)
        self._attempt += 1
        if self.last > self._left:
            return None
        self._left -= self.last
        return self.last
