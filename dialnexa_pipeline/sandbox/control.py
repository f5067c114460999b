"""The control path: what a test or a demo orders from the sandbox, and what it may look at."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dialnexa_pipeline.sandbox.behaviour import Behaviour, changed
from dialnexa_pipeline.sandbox.faults import fault_from
from dialnexa_pipeline.sandbox.gate import Orders
from dialnexa_pipeline.sandbox.state import STATUSES, State


class Control:
    """The handlers under `/_sandbox`; they need no key."""

    def __init__(self, state: State, orders: Orders) -> None:
        self._state = state
        self._orders = orders

    def routes(self) -> list[Route]:
        return [
            Route("/_sandbox/health", self._health),
            Route("/_sandbox/workflows", self._workflows, methods=["POST"]),
            Route("/_sandbox/leads", self._leads),
            Route("/_sandbox/counts", self._counts),
            Route("/_sandbox/faults", self._faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/behaviour", self._behaviour, methods=["GET", "POST"]),
            Route("/_sandbox/advance", self._advance, methods=["POST"]),
            Route("/_sandbox/reset", self._reset, methods=["POST"]),
        ]

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _workflows(self, request: Request) -> Response:
        document = await read_object(request)
        workflow_id, status = document.get("id"), document.get("status", "active")
        title, ours = document.get("title", workflow_id), document.get("ours", True)
        if not isinstance(workflow_id, str) or not workflow_id:
            raise HTTPException(400, "id must be text")
        if status not in STATUSES:
            raise HTTPException(400, f"status is {status!r}; choices: {', '.join(STATUSES)}")
        if not isinstance(title, str) or not isinstance(ours, bool):
            raise HTTPException(400, "title must be text, ours true or false")
        self._state.put_workflow(workflow_id, title, status, ours=ours)
        return JSONResponse({"id": workflow_id, "title": title, "status": status}, 201)

    async def _leads(self, request: Request) -> Response:
        workflow_id = request.query_params.get("workflow_id", "")
        return StreamingResponse(_array(self._state, workflow_id), media_type="application/json")

    async def _counts(self, _request: Request) -> Response:
        return JSONResponse(self._state.counts())

    async def _faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._orders.faults.clear()
        elif request.method == "POST":
            document = await read_object(request)
            try:
                self._orders.faults.order(fault_from(document))
            except ValueError as error:
                raise HTTPException(400, str(error)) from error
        return JSONResponse(self._orders.faults.ordered())

    async def _behaviour(self, request: Request) -> Response:
        if request.method == "POST":
            document = await read_object(request)
            try:
                self._orders.behaviour = changed(self._orders.behaviour, document)
            except ValueError as error:
                raise HTTPException(400, str(error)) from error
        return JSONResponse(asdict(self._orders.behaviour))

    async def _advance(self, _request: Request) -> Response:
        return JSONResponse({"advanced": self._state.advance()})

    async def _reset(self, _request: Request) -> Response:
        self._state.reset()
        self._orders.faults.clear()
        self._orders.behaviour = Behaviour()
        return JSONResponse({"status": "empty"})


async def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object.

    Raises:
        HTTPException: 400 when it is none.
    """
    try:
        document = json.loads(await request.body())
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise HTTPException(400, "The body must be a JSON object")
    return document


def _array(state: State, workflow_id: str) -> Iterator[str]:
    separator = "["
    for documents in state.lead_documents(workflow_id, hidden_too=True):
        yield separator + ",".join(documents)
        separator = ","
    yield "[]" if separator == "[" else "]"
