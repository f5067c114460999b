"""GETs: retried on broken connections, 5xx and 429, within one call's patience."""

import json
from typing import Any

import httpx
import stamina

from dialnexa_pipeline.api.answers import message_of, refusal
from dialnexa_pipeline.api.errors import ApiError
from dialnexa_pipeline.api.pace import Patience

_GET_ATTEMPTS = 5


class _Transient(Exception):
    """A GET that may be asked again."""

    def __init__(self, sentence: str, wait: float | None) -> None:
        super().__init__(sentence)
        self.wait = wait


class _Stream:
    """A response that is closed when its block ends."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def __enter__(self) -> httpx.Response:
        return self._response

    def __exit__(self, *_error: object) -> None:
        self._response.close()


class Reads:
    """Asks one server; safe from any thread."""

    def __init__(self, http: httpx.Client, max_wait: float) -> None:
        self._http = http
        self._max_wait = max_wait

    def json(self, path: str, params: dict[str, Any] | None = None) -> Any:
        """The parsed body, read whole; a body that breaks off is asked for again."""
        with self.stream(path, params or {}, whole=True) as response:
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

    def stream(self, path: str, params: dict[str, Any], *, whole: bool = False) -> _Stream:
        """The open answer; `whole` reads its body within the retries."""
        patience = Patience(self._max_wait)
        try:
            for attempt in stamina.retry_context(
                on=_wait_of, attempts=_GET_ATTEMPTS, timeout=self._max_wait, wait_initial=0.2
            ):
                with attempt:
                    return self._open_once(path, params, patience, whole=whole)
        except _Transient as error:
            raise ApiError(
                f"GET {path} failed, and again when repeated: {error}. Try again later."
            ) from error
        raise AssertionError("stamina ends in a return or an error")

    def _open_once(
        self, path: str, params: dict[str, Any], patience: Patience, *, whole: bool
    ) -> _Stream:
        request = self._http.build_request("GET", path, params=params)
        try:
            response = self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _Transient(f"{type(error).__name__}", None) from error
        if response.status_code == 200 and not whole:
            return _Stream(response)
        try:
            response.read()
        except httpx.HTTPError as error:
            raise _Transient(f"{type(error).__name__}", None) from error
        finally:
            response.close()
        if response.status_code == 200:
            return _Stream(response)
        if response.status_code == 429:
            wait = patience.next_wait(response.headers)
            if wait is None:
                raise ApiError(
                    f"GET {path}: DialNexa asked to slow down (HTTP 429) for longer than "
                    f"{self._max_wait:.0f} seconds. Try again later."
                )
            raise _Transient("HTTP 429", wait)
        if response.status_code >= 500:
            raise _Transient(f"HTTP {response.status_code}: {message_of(response)}", None)
        raise refusal(response)


def _wait_of(error: Exception) -> bool | float:
    if isinstance(error, _Transient):
        return error.wait if error.wait is not None else True
    return False
