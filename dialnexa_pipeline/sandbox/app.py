"""The sandbox's HTTP face: DialNexa's paths under /v1, beside them the control path."""

import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dialnexa_pipeline.sandbox.answers import (
    country_body,
    done,
    error,
    lead_body,
    lead_page,
    row_errors,
    uploaded,
    workflow_body,
)
from dialnexa_pipeline.sandbox.control import Control, read_object
from dialnexa_pipeline.sandbox.destinations import ENABLED, refusal
from dialnexa_pipeline.sandbox.gate import Gate, Handler, Orders
from dialnexa_pipeline.sandbox.openapi import description
from dialnexa_pipeline.sandbox.state import SandboxWorkflow, State
from dialnexa_pipeline.sandbox.uploads import BadFile, read_upload, refused_rows

_ACTIONS = {
    "activate": ("active", "activated"),
    "deactivate": ("paused", "deactivated"),
    "pause": ("paused", "paused"),
    "resume": ("active", "resumed"),
}
_SORT_KEYS = {"createdAt": "created_at", "updatedAt": "updated_at", "title": "title"}
_PAGE_LIMIT = 100


def create_app(state_path: Path, *, api_key: str) -> Starlette:
    """The sandbox as an ASGI application over one SQLite state file, made when it is missing.

    Resets and truncated bodies need `connections.BreakableProtocol` under it, as `run_sandbox`
    has it.
    """
    state, orders = State(state_path), Orders()
    refusal("+919876543210")  # loads the metadata now, not during the first upload

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        state.close()

    routes = [
        Route("/openapi.json", _openapi),
        *Control(state, orders).routes(),
        *_Sandbox(state, orders, Gate(orders, api_key)).routes(),
    ]
    return Starlette(
        routes=routes, exception_handlers={HTTPException: _http_error}, lifespan=lifespan
    )


class _Sandbox:
    """DialNexa's paths, each behind the gate."""

    def __init__(self, state: State, orders: Orders, gate: Gate) -> None:
        self._state = state
        self._orders = orders
        self._gate = gate

    def routes(self) -> list[Route]:
        def route(method: str, path: str, handler: Handler) -> Route:
            return Route(f"/v1{path}", self._gate.around(handler), methods=[method])

        leads, rules = "/workflows/{workflowId}/leads", "/phone-country-rules"
        return [
            route("GET", "/workflows", self._list_workflows),
            route("GET", "/workflows/{workflowId}", self._get_workflow),
            route("PATCH", "/workflows/{workflowId}/status", self._set_status),
            route("POST", leads, self._upload),
            route("GET", leads, self._list_leads),
            route("GET", f"{leads}/variable-keys", self._variable_keys),
            route("DELETE", f"{leads}/{{id}}", self._delete_lead),
            route("GET", f"{leads}/{{id}}/history", self._history),
            route("GET", f"{rules}/countries", self._countries),
            route("GET", f"{rules}/enabled-network-groups", self._groups),
            route("GET", "/organization-phone-numbers", self._numbers),
        ]

    async def _list_workflows(self, request: Request) -> Response:
        page, limit = _positive(request, "page", 1), _positive(request, "limit", 20)
        order = request.query_params.get("sortOrder", "ASC")
        if order not in {"ASC", "DESC"}:
            raise HTTPException(400, "sortOrder must be one of: ASC, DESC")
        key = _SORT_KEYS.get(request.query_params.get("sortBy", ""), "created_at")
        workflows = sorted(
            self._state.workflows(),
            key=lambda workflow: getattr(workflow, key),
            reverse=order == "DESC",
        )
        meta = {
            "totalItems": len(workflows),
            "itemsPerPage": limit,
            "totalPages": max(1, math.ceil(len(workflows) / limit)),
            "currentPage": page,
        }
        shown = [workflow_body(each) for each in workflows[(page - 1) * limit : page * limit]]
        return done("Workflows fetched successfully", data=shown, meta=meta)

    async def _get_workflow(self, request: Request) -> Response:
        data = workflow_body(self._workflow(request))
        return done("Workflow fetched successfully", data=data)

    async def _set_status(self, request: Request) -> Response:
        workflow = self._workflow(request)
        action = (await read_object(request)).get("action")
        if not isinstance(action, str) or action not in _ACTIONS:
            raise HTTPException(400, f"Invalid action. Must be one of: {', '.join(_ACTIONS)}")
        status, word = _ACTIONS[action]
        self._state.set_status(workflow.id, status)
        data = workflow_body(self._workflow(request))
        return done(f"Workflow {word} successfully", data=data)

    async def _upload(self, request: Request) -> Response:
        workflow, behaviour = self._workflow(request), self._orders.behaviour
        most = behaviour.max_upload_bytes
        if most is not None and len(await request.body()) > most:
            raise HTTPException(413, "File too large")
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise HTTPException(400, "File is required")
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise HTTPException(400, "File is required")
            name, content = file.filename or "", await file.read()
        return await run_in_threadpool(self._enrol, request, workflow, name, content)

    def _enrol(
        self, request: Request, workflow: SandboxWorkflow, name: str, content: bytes
    ) -> Response:
        behaviour = self._orders.behaviour
        try:
            rows = read_upload(name, content)
        except BadFile as unreadable:
            raise HTTPException(400, str(unreadable)) from unreadable
        refused = refused_rows(rows)
        if refused:
            return row_errors(refused, behaviour)
        fault = self._gate.enrolment_fault(request)
        hidden, kept = 0.0, len(rows)
        if fault is not None and fault.kind == "late_visibility":
            hidden = fault.seconds
        elif fault is not None:
            kept = int(len(rows) * fault.share)
        leads = self._state.enrol(
            workflow.id, [(row.phone, row.variables) for row in rows[:kept]], hidden_for=hidden
        )
        return uploaded(workflow.id, leads, len(rows) - kept, behaviour)

    async def _list_leads(self, request: Request) -> Response:
        workflow = self._workflow(request)
        if self._orders.behaviour.step_seconds is not None:
            await run_in_threadpool(
                self._state.advance_with_time, self._orders.behaviour.step_seconds
            )
        if self._orders.behaviour.list_form == "paged":
            page = _positive(request, "page", 1)
            limit = min(_positive(request, "limit", 20), _PAGE_LIMIT)
            status = request.query_params.get("status")
            documents, total = await run_in_threadpool(
                self._state.lead_page, workflow.id, page=page, limit=limit, status=status
            )
            return lead_page(documents, page=page, limit=limit, total=total)
        ids = [part for part in request.query_params.get("leadIds", "").split(",") if part]
        return StreamingResponse(
            _whole_list(self._state, workflow.id, ids), media_type="application/json"
        )

    async def _variable_keys(self, request: Request) -> Response:
        workflow = self._workflow(request)
        keys = await run_in_threadpool(self._state.variable_keys, workflow.id)
        return done("Variable keys fetched successfully", data={"keys": keys})

    async def _delete_lead(self, request: Request) -> Response:
        workflow = self._workflow(request)
        if not self._state.delete_lead(workflow.id, request.path_params["id"]):
            raise HTTPException(404, "Workflow lead not found")
        return done("Lead removed successfully")

    async def _history(self, request: Request) -> Response:
        lead = self._state.lead(self._workflow(request).id, request.path_params["id"])
        if lead is None:
            raise HTTPException(404, "Workflow lead not found")
        data = {"lead": lead_body(lead), "history": []}
        return done("Lead history fetched successfully", data=data)

    async def _countries(self, _request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "id": f"pcr_{country.iso.lower()}",
                    **country_body(country),
                    "max_length": None,
                    "is_deleted": False,
                }
                for country in ENABLED.values()
            ]
        )

    async def _groups(self, _request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "prefix_mode": "allow_only_listed",
                    "from_phone_number_country_code": None,
                    "countryRule": country_body(country),
                }
                for country in ENABLED.values()
            ]
        )

    async def _numbers(self, request: Request) -> Response:
        page, limit = _lenient(request, "page", 1), _lenient(request, "limit", 20)
        number = {
            "id": "phn_sandbox",
            "phone_number": "+14155550100",
            "provider": "sandbox",
            "status": "active",
        }
        items = [number] if page == 1 else []
        return JSONResponse({"items": items, "total": 1, "page": page, "limit": limit})

    def _workflow(self, request: Request) -> SandboxWorkflow:
        workflow = self._state.workflow(request.path_params["workflowId"])
        if workflow is None:
            raise HTTPException(404, "Workflow not found")
        if self._state.is_foreign(workflow.id):
            raise HTTPException(403, "You do not have permission to access this workflow")
        return workflow


def _whole_list(state: State, workflow_id: str, ids: list[str]) -> Iterator[str]:
    yield '{"statusCode":200,"message":"Leads fetched successfully","data":['
    count = 0
    for documents in state.lead_documents(workflow_id, ids=ids):
        yield ("," if count else "") + ",".join(documents)
        count += len(documents)
    yield f'],"count":{count}}}'


def _positive(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= 1_000_000_000:
        raise HTTPException(400, f"{name} must be a positive number")
    return int(text)


def _lenient(request: Request, name: str, default: int) -> int:
    """Like `_positive`; the default for anything else, as the vendor documents no 400 here."""
    try:
        return _positive(request, name, default)
    except HTTPException:
        return default


async def _openapi(_request: Request) -> Response:
    return JSONResponse(description())


async def _http_error(_request: Request, refused: Exception) -> Response:
    assert isinstance(refused, HTTPException)
    return error(refused.status_code, refused.detail, dict(refused.headers or {}))
