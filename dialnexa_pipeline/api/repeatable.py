"""Calls that may be made twice: repeated on broken connections, 5xx and 429."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import stamina

from dialnexa_pipeline.api.answers import message_of, refusal
from dialnexa_pipeline.api.errors import ApiError, NothingHappened
from dialnexa_pipeline.api.exchange import Exchange

_ATTEMPTS = 5
_LONGEST = 300.0
_OK = frozenset({200})


class _Broken(Exception):
    """No whole answer, or a 5xx; the call may be made again."""


class _Stream:
    """A response that is closed when its block ends."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def __enter__(self) -> httpx.Response:
        return self._response

    def __exit__(self, *_error: object) -> None:
        self._response.close()


class Repeatable:
    """GETs, and changes that have the same effect twice; safe from any thread."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def json(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed body, read whole; a body that breaks off is asked for again."""
        response = self.call("GET", path, params=params)
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise ApiError(
                f"DialNexa's answer to GET {path} cannot be read ({type(error).__name__}). "
                "Try again later."
            ) from None

    def object(self, path: str) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            ApiError: it is none, or cannot be had.
        """
        document = self.json(path)
        if not isinstance(document, dict):
            raise ApiError(
                f"DialNexa's answer to GET {path} is not the JSON object that its API describes. "
                "Try again later."
            )
        return document

    def stream(self, path: str, params: Mapping[str, Any]) -> _Stream:
        """The open answer to a GET; its body is read outside the repetitions."""
        return _Stream(self._repeat("GET", path, _OK, whole=False, params=params))

    def call(
        self, method: str, path: str, *, fine: frozenset[int] = _OK, **options: Any
    ) -> httpx.Response:
        """The answer, read whole.

        Args:
            fine: statuses that are answers and no refusals.
            options: `params` or `json`, as httpx takes them.

        Raises:
            ApiError: refused, or not answered in five attempts.
        """
        return self._repeat(method, path, fine, whole=True, **options)

    def _repeat(
        self, method: str, path: str, fine: frozenset[int], *, whole: bool, **options: Any
    ) -> httpx.Response:
        try:
            for attempt in stamina.retry_context(
                on=_Broken, attempts=_ATTEMPTS, timeout=_LONGEST, wait_initial=0.2
            ):
                with attempt:
                    return self._attempt(method, path, fine, whole, options)
        except (_Broken, NothingHappened) as error:
            raise ApiError(
                f"{method} {path} failed, and again when repeated: {str(error).rstrip('.')}. "
                "Try again later."
            ) from error
        raise AssertionError("stamina ends in a return or an error")

    def _attempt(
        self, method: str, path: str, fine: frozenset[int], whole: bool, options: dict[str, Any]
    ) -> httpx.Response:
        refused = 0
        while True:
            response = self._send(method, path, fine, whole, options)
            if response.status_code in fine:
                return response
            if response.status_code >= 500:
                raise _Broken(f"HTTP {response.status_code}: {message_of(response)}")
            if response.status_code != 429:
                raise refusal(response)
            self._exchange.slow_down(response.headers, attempt=refused)
            refused += 1

    def _send(
        self, method: str, path: str, fine: frozenset[int], whole: bool, options: dict[str, Any]
    ) -> httpx.Response:
        request = self._exchange.http.build_request(method, path, **options)
        try:
            response = self._exchange.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _Broken(type(error).__name__) from error
        if response.status_code in fine and not whole:
            return response
        try:
            response.read()
        except httpx.HTTPError as error:
            raise _Broken(type(error).__name__) from error
        finally:
            response.close()
        return response
