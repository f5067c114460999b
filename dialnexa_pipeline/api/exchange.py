"""One request and its answer, at the pace of its API key."""

import time
from collections.abc import Callable, Mapping

import httpx

from dialnexa_pipeline.api.errors import NothingHappened, Withheld
from dialnexa_pipeline.api.pace import Allowance, Pace


class Exchange:
    """Requests of one client; safe from any thread."""

    def __init__(self, http: httpx.Client, pace: Pace, allowance: Allowance) -> None:
        self.http = http
        self._pace = pace
        self._allowance = allowance

    def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        before_attempt: Callable[[], bool] | None = None,
    ) -> httpx.Response:
        """Wait for the request's turn, send it once, and learn the pace from its answer.

        Raises:
            NothingHappened: the turn comes later than this client may wait; not sent.
            Withheld: `before_attempt` said no; not sent.
            httpx.HTTPError: no whole answer came.
        """
        while (wait := self._pace.seconds_until_turn()) > 0:
            if not self._allowance.spend(wait):
                raise NothingHappened(
                    f"DialNexa asks to slow down for {wait:.0f} seconds more, which is longer than "
                    f"this run may wait ({self._allowance.total:.0f} seconds in all, set by "
                    "DIALNEXA_MAX_WAIT_SECONDS).",
                    reason="rate_limited",
                )
            time.sleep(wait)
        if before_attempt is not None and not before_attempt():
            raise Withheld("The request was not sent, because its sender may not send it any more.")
        response = self.http.send(request, stream=stream)
        self._pace.heed(response.headers)
        return response

    def slow_down(self, headers: Mapping[str, str], *, attempt: int) -> None:
        """Let every request of this key wait as a 429 asks for."""
        self._pace.slow_down(headers, attempt=attempt)
