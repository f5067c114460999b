"""How long to wait when DialNexa asks for it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_FIRST, _LONGEST = 1.0, 60.0


def retry_after(headers: Mapping[str, str], *, attempt: int) -> float:
    """Seconds to wait after a 429: `Retry-After` in seconds or as a date, else 1, 2, 4 … 60."""
    text = headers.get("retry-after", "").strip()
    if text:
        try:
            return max(0.0, float(text))
        except ValueError:
            pass
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            moment = None
        if moment is not None:
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return min(_FIRST * 2**attempt, _LONGEST)
