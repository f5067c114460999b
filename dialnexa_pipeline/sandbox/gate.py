"""What stands around every path under /v1: key, rate-limit headers and ordered faults."""

import asyncio
import hmac
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from dialnexa_pipeline.sandbox.answers import error
from dialnexa_pipeline.sandbox.behaviour import Behaviour
from dialnexa_pipeline.sandbox.connections import reset_connection
from dialnexa_pipeline.sandbox.faults import ANSWER_KINDS, ENROLMENT_KINDS, Fault, FaultQueue

Handler = Callable[[Request], Awaitable[Response]]

_WINDOW = 60


@dataclass(slots=True)
class Orders:
    """What the control path ordered; in memory, so that a restart is without faults."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    faults: FaultQueue = field(default_factory=FaultQueue)


class Gate:
    """Lets a request through to its handler, or spoils it as ordered."""

    def __init__(self, orders: Orders, api_key: str) -> None:
        self._orders = orders
        self._expected = f"Bearer {api_key}".encode()
        self._window_start = 0.0
        self._used = 0

    def around(self, handler: Handler) -> Handler:
        """The handler behind the gate.

        The body is read first, so that an early answer is never lost in a reset of unread data.
        """

        async def guarded(request: Request) -> Response:
            try:
                await request.body()
            except ClientDisconnect:
                return Response()
            exhausted = self._count()
            return self._with_limits(await self._answer(request, handler, exhausted))

        return guarded

    def enrolment_fault(self, request: Request) -> Fault | None:
        """The ordered fault of the enrolment itself, spent by an upload that enrols."""
        return self._orders.faults.take(request.method, _path(request), ENROLMENT_KINDS)

    async def _answer(self, request: Request, handler: Handler, exhausted: bool) -> Response:
        fault = self._orders.faults.take(request.method, _path(request), ANSWER_KINDS)
        early = _before(request, fault)
        if early is not None:
            return early
        sent = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(sent, self._expected):
            return error(401, "API key is missing or invalid")
        if exhausted:
            return error(429, "Too many requests", {"retry-after": str(self._seconds_left())})
        try:
            response = await handler(request)
        except HTTPException as refused:
            response = error(refused.status_code, refused.detail)
        return await _after(request, fault, response)

    def _count(self) -> bool:
        if time.time() - self._window_start >= _WINDOW:
            self._window_start, self._used = time.time(), 0
        self._used += 1
        behaviour = self._orders.behaviour
        return behaviour.enforce_rate_limit and self._used > behaviour.rate_limit

    def _seconds_left(self) -> int:
        return max(1, math.ceil(self._window_start + _WINDOW - time.time()))

    def _with_limits(self, response: Response) -> Response:
        limit = self._orders.behaviour.rate_limit
        response.headers["x-ratelimit-limit"] = str(limit)
        response.headers["x-ratelimit-remaining"] = str(max(0, limit - self._used))
        response.headers["x-ratelimit-reset"] = str(self._seconds_left())
        return response


def _path(request: Request) -> str:
    return request.url.path.removeprefix("/v1")


def _before(request: Request, fault: Fault | None) -> Response | None:
    """The answer of a fault that keeps the request from having an effect."""
    if fault is None:
        return None
    if fault.kind == "rate_limited":
        return error(429, "Too many requests", fault.retry_after_header())
    if fault.kind == "error_before":
        return error(fault.status)
    if fault.kind == "reset_before":
        _reset(request)
        return Response()
    return None


async def _after(request: Request, fault: Fault | None, response: Response) -> Response:
    """The answer as a fault leaves it once the request had its effect."""
    if fault is None:
        return response
    if fault.kind == "error_after":
        return error(fault.status)
    if fault.kind == "reset_after":
        _reset(request)
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    if fault.kind == "unreadable_body":
        return Response(b"<html>gateway</html>", response.status_code, media_type="text/html")
    if fault.kind == "truncate_body":
        return _truncated(request, response)
    return response


def _truncated(request: Request, response: Response) -> Response:
    headers = {"content-type": response.headers.get("content-type", "application/json")}
    if not isinstance(response, StreamingResponse):
        headers["content-length"] = str(len(response.body))
    return StreamingResponse(_half(request, response), response.status_code, headers)


async def _half(request: Request, response: Response) -> AsyncIterator[bytes]:
    body = bytes(response.body) if not isinstance(response, StreamingResponse) else b""
    if isinstance(response, StreamingResponse):
        async for piece in response.body_iterator:
            body = piece.encode() if isinstance(piece, str) else bytes(piece)
            break
    yield body[: len(body) // 2]
    await asyncio.sleep(0.05)  # the half is on its way before the reset overtakes it
    _reset(request)
    await asyncio.sleep(1)  # cancelled by the reset; an end of the body would be an error here


def _reset(request: Request) -> None:
    if request.client is not None:
        reset_connection((request.client.host, request.client.port))
