"""The sandbox's HTTP face: DialNexa's paths under /v1, and a control path for faults."""

import asyncio
import hmac
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dialnexa_pipeline.sandbox.connections import reset_connection
from dialnexa_pipeline.sandbox.destinations import ENABLED, EnabledCountry
from dialnexa_pipeline.sandbox.faults import Fault, FaultQueue, fault_from
from dialnexa_pipeline.sandbox.openapi import description
from dialnexa_pipeline.sandbox.state import SandboxLead, SandboxWorkflow, State
from dialnexa_pipeline.sandbox.uploads import BadFile, UploadedRow, read_upload, refused_rows

Handler = Callable[[Request], Awaitable[Response]]

_LIMIT, _WINDOW = 150, 60
_ACTIONS = {
    "activate": "active",
    "deactivate": "paused",
    "pause": "paused",
    "resume": "active",
}
_ERRORS = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def create_app(state_path: Path, *, api_key: str) -> Starlette:
    """The sandbox as an ASGI application over one state file."""
    return _Sandbox(State(state_path), api_key).app()


class _Sandbox:
    def __init__(self, state: State, api_key: str) -> None:
        self._state = state
        self._api_key = api_key
        self._faults = FaultQueue()
        self._window_start = 0.0
        self._used = 0
        self._paged = False

    def app(self) -> Starlette:
        def route(path: str, handler: Handler, *methods: str) -> Route:
            return Route(path, self._guarded(handler), methods=list(methods))

        routes = [
            Route("/openapi.json", self._openapi),
            Route("/_sandbox/health", self._health),
            Route("/_sandbox/workflows", self._control_workflows, methods=["POST"]),
            Route("/_sandbox/leads", self._control_leads),
            Route("/_sandbox/counts", self._control_counts),
            Route("/_sandbox/faults", self._control_faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/listing", self._control_listing, methods=["POST"]),
            Route("/_sandbox/reset", self._control_reset, methods=["POST"]),
            route("/v1/workflows", self._list_workflows, "GET"),
            route("/v1/workflows/{id}", self._get_workflow, "GET"),
            route("/v1/workflows/{id}/status", self._set_status, "PATCH"),
            route("/v1/workflows/{id}/leads", self._leads, "GET", "POST"),
            route("/v1/workflows/{id}/leads/variable-keys", self._variable_keys, "GET"),
            route("/v1/workflows/{id}/leads/{lead_id}", self._delete_lead, "DELETE"),
            route("/v1/workflows/{id}/leads/{lead_id}/history", self._history, "GET"),
            route("/v1/phone-country-rules/countries", self._countries, "GET"),
            route("/v1/phone-country-rules/enabled-network-groups", self._groups, "GET"),
            route("/v1/organization-phone-numbers", self._numbers, "GET"),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    def _guarded(self, handler: Handler) -> Handler:
        """Auth, rate-limit headers and ordered faults around a handler."""

        async def guarded(request: Request) -> Response:
            path = request.url.path.removeprefix("/v1")
            fault = self._faults.take(request.method, path)
            request.state.fault = fault
            before = await self._before(request, fault)
            if before is not None:
                return self._with_limits(before)
            sent = request.headers.get("authorization", "")
            if not hmac.compare_digest(sent.encode(), f"Bearer {self._api_key}".encode()):
                return self._with_limits(_error(401, "API key is missing or invalid"))
            response = await handler(request)
            return await self._after(request, fault, self._with_limits(response))

        return guarded

    async def _before(self, request: Request, fault: Fault | None) -> Response | None:
        if fault is None:
            return None
        if fault.kind == "rate_limited":
            headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
            return _error(429, "Too many requests", headers)
        if fault.kind == "error_before":
            return _error(fault.status, _ERRORS.get(fault.status, "Error"))
        if fault.kind == "reset_before":
            await request.body()
            _reset(request)
            return Response()
        return None

    async def _after(self, request: Request, fault: Fault | None, response: Response) -> Response:
        if fault is None:
            return response
        if fault.kind == "error_after":
            return _error(fault.status, _ERRORS.get(fault.status, "Error"))
        if fault.kind == "reset_after":
            _reset(request)
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault.kind == "unreadable_body":
            return Response(b"<html>gateway</html>", response.status_code, media_type="text/html")
        if fault.kind == "truncate_body" and isinstance(response.body, bytes):
            return StreamingResponse(
                _half(request, response.body),
                response.status_code,
                {"content-length": str(len(response.body)), "content-type": "application/json"},
            )
        return response

    def _with_limits(self, response: Response) -> Response:
        now = time.time()
        if now - self._window_start >= _WINDOW:
            self._window_start, self._used = now, 0
        self._used += 1
        response.headers["x-ratelimit-limit"] = str(_LIMIT)
        response.headers["x-ratelimit-remaining"] = str(max(0, _LIMIT - self._used))
        response.headers["x-ratelimit-reset"] = str(math.ceil(self._window_start + _WINDOW - now))
        return response

    async def _list_workflows(self, request: Request) -> Response:
        page, limit = _page(request, 20)
        workflows = self._state.workflows()
        shown = workflows[(page - 1) * limit : page * limit]
        return JSONResponse(
            {
                "statusCode": 200,
                "message": "Workflows fetched successfully",
                "data": [_workflow(workflow) for workflow in shown],
                "meta": {
                    "totalItems": len(workflows),
                    "itemsPerPage": limit,
                    "totalPages": max(1, math.ceil(len(workflows) / limit)),
                    "currentPage": page,
                },
            }
        )

    async def _get_workflow(self, request: Request) -> Response:
        return JSONResponse(
            {
                "statusCode": 200,
                "message": "Workflow fetched successfully",
                "data": _workflow(self._workflow(request)),
            }
        )

    async def _set_status(self, request: Request) -> Response:
        workflow = self._workflow(request)
        try:
            document = json.loads(await request.body())
        except ValueError:
            document = None
        action = document.get("action") if isinstance(document, dict) else None
        if not isinstance(action, str) or action not in _ACTIONS:
            raise HTTPException(400, f"Invalid action. Must be one of: {', '.join(_ACTIONS)}")
        self._state.set_status(workflow.id, _ACTIONS[action])
        return JSONResponse(
            {
                "statusCode": 200,
                "message": "Workflow status updated successfully",
                "data": _workflow(self._workflow(request)),
            }
        )

    async def _leads(self, request: Request) -> Response:
        workflow = self._workflow(request)
        if request.method == "POST":
            return await self._upload(request, workflow)
        wanted = {part for part in request.query_params.get("leadIds", "").split(",") if part}
        if self._paged:
            return await run_in_threadpool(self._lead_page, request, workflow)
        return StreamingResponse(
            _listing(self._state, workflow.id, wanted), media_type="application/json"
        )

    def _lead_page(self, request: Request, workflow: SandboxWorkflow) -> Response:
        page, limit = _page(request, 20)
        leads = list(self._state.leads(workflow.id))
        limit = min(limit, 100)
        return JSONResponse(
            {
                "data": [_lead(lead) for lead in leads[(page - 1) * limit : page * limit]],
                "meta": {
                    "page": page,
                    "limit": limit,
                    "total": len(leads),
                    "totalPages": max(1, math.ceil(len(leads) / limit)),
                },
            }
        )

    async def _upload(self, request: Request, workflow: SandboxWorkflow) -> Response:
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise HTTPException(400, "File is required")
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise HTTPException(400, "File is required")
            name, content = file.filename or "", await file.read()
        return await run_in_threadpool(self._enrol, workflow, name, content, request.state.fault)

    def _enrol(
        self, workflow: SandboxWorkflow, name: str, content: bytes, fault: Fault | None
    ) -> Response:
        try:
            rows = read_upload(name, content)
        except BadFile as error:
            raise HTTPException(400, str(error)) from error
        groups = refused_rows(rows)
        if groups:
            return _row_errors(groups)
        hidden = fault.seconds if fault is not None and fault.kind == "late_visibility" else 0.0
        if fault is not None and fault.kind == "partial_accept":
            rows = rows[: int(len(rows) * fault.share)]
        leads = self._state.enrol(
            workflow.id, [(row.phone, row.variables) for row in rows], hidden_for=hidden
        )
        ids: dict[str, list[str]] = {}
        for lead in leads:
            ids.setdefault(lead.phone_number, []).append(lead.id)
        return JSONResponse(
            {
                "statusCode": 201,
                "message": "Leads uploaded successfully",
                "data": ids,
                "count": len(leads),
            },
            201,
        )

    async def _variable_keys(self, request: Request) -> Response:
        workflow = self._workflow(request)
        keys: dict[str, None] = {}
        for lead in self._state.leads(workflow.id):
            keys.update(dict.fromkeys(lead.variables))
        return JSONResponse(
            {
                "statusCode": 200,
                "message": "Variable keys fetched successfully",
                "data": {"keys": sorted(keys)},
            }
        )

    async def _delete_lead(self, request: Request) -> Response:
        workflow = self._workflow(request)
        if not self._state.delete_lead(workflow.id, request.path_params["lead_id"]):
            raise HTTPException(404, "Workflow lead not found")
        return JSONResponse({"statusCode": 200, "message": "Lead removed successfully"})

    async def _history(self, request: Request) -> Response:
        workflow = self._workflow(request)
        lead = self._state.lead(workflow.id, request.path_params["lead_id"])
        if lead is None:
            raise HTTPException(404, "Workflow lead not found")
        return JSONResponse(
            {
                "statusCode": 200,
                "message": "Lead history fetched successfully",
                "data": {"lead": _lead(lead), "history": []},
            }
        )

    async def _countries(self, _request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "id": f"pcr_{country.iso.lower()}",
                    **_country(country),
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
                    "countryRule": _country(country),
                }
                for country in ENABLED.values()
            ]
        )

    async def _numbers(self, request: Request) -> Response:
        try:
            page, limit = _page(request, 20)
        except HTTPException:
            # The vendor documents no 400 here.
            page, limit = 1, 20
        number = {
            "id": "phn_sandbox",
            "phone_number": "+14155550100",
            "provider": "sandbox",
            "status": "active",
        }
        items = [number] if page == 1 else []
        return JSONResponse({"items": items, "total": 1, "page": page, "limit": limit})

    async def _openapi(self, _request: Request) -> Response:
        return JSONResponse(description())

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _control_workflows(self, request: Request) -> Response:
        document = await _document(request)
        workflow_id = str(document["id"])
        title = str(document.get("title", workflow_id))
        self._state.add_workflow(workflow_id, title, str(document.get("status", "active")))
        return JSONResponse({"id": workflow_id}, 201)

    async def _control_leads(self, request: Request) -> Response:
        workflow_id = request.query_params.get("workflow_id", "")
        leads = self._state.leads(workflow_id, hidden_too=True)
        return JSONResponse([_lead(lead) for lead in leads])

    async def _control_counts(self, _request: Request) -> Response:
        return JSONResponse(self._state.counts())

    async def _control_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
        elif request.method == "POST":
            try:
                self._faults.order(fault_from(await _document(request)))
            except ValueError as error:
                raise HTTPException(400, str(error)) from error
        return JSONResponse(self._faults.ordered())

    async def _control_listing(self, request: Request) -> Response:
        self._paged = bool((await _document(request)).get("paged"))
        return JSONResponse({"paged": self._paged})

    async def _control_reset(self, _request: Request) -> Response:
        self._state.forget_leads()
        self._faults.clear()
        return JSONResponse({"status": "empty"})

    def _workflow(self, request: Request) -> SandboxWorkflow:
        workflow = self._state.workflow(request.path_params["id"])
        if workflow is None:
            raise HTTPException(404, "Workflow not found")
        return workflow


async def _listing(state: State, workflow_id: str, wanted: set[str]) -> AsyncIterator[bytes]:
    yield b'{"statusCode":200,"message":"Leads fetched successfully","data":['
    count = 0
    for lead in state.leads(workflow_id):
        if wanted and lead.id not in wanted:
            continue
        separator = "," if count else ""
        yield (separator + json.dumps(_lead(lead), ensure_ascii=False)).encode()
        count += 1
    yield f'],"count":{count}}}'.encode()


async def _half(request: Request, body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    await asyncio.sleep(0.05)
    _reset(request)


def _reset(request: Request) -> None:
    if request.client is not None:
        reset_connection((request.client.host, request.client.port))


def _row_errors(groups: dict[str, list[UploadedRow]]) -> Response:
    return JSONResponse(
        {
            "statusCode": 400,
            "message": "Lead validation failed",
            "error": "Bad Request",
            "errors": [
                {
                    "reason": reason,
                    "rows": [
                        {
                            "position": row.position,
                            "phone_number": row.phone,
                            "failed_parsing_reason": reason,
                        }
                        for row in rows
                    ],
                }
                for reason, rows in groups.items()
            ],
        },
        400,
    )


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        {"statusCode": status, "message": message, "error": _ERRORS.get(status, "Error")},
        status,
        headers,
    )


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, dict(error.headers or {}))


async def _document(request: Request) -> dict[str, Any]:
    try:
        document = json.loads(await request.body())
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise HTTPException(400, "The body must be a JSON object")
    return document


def _page(request: Request, default: int) -> tuple[int, int]:
    numbers: list[int] = []
    for name, fallback in (("page", 1), ("limit", default)):
        text = request.query_params.get(name, str(fallback))
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:12]) <= 1_000_000_000:
            raise HTTPException(400, f"{name} must be a positive number")
        numbers.append(int(text))
    return numbers[0], numbers[1]


def _workflow(workflow: SandboxWorkflow) -> dict[str, Any]:
    return {
        "id": workflow.id,
        "title": workflow.title,
        "status": workflow.status,
        "description": None,
        "createdAt": workflow.created_at,
        "updatedAt": workflow.updated_at,
    }


def _lead(lead: SandboxLead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "phone_number": lead.phone_number,
        "dynamic_variables": dict(lead.variables),
        "status": lead.status,
        "createdAt": lead.created_at,
    }


def _country(country: EnabledCountry) -> dict[str, Any]:
    return {
        "country_iso": country.iso,
        "country_name": country.name,
        "calling_code": country.calling_code,
        "prefixes": list(country.prefixes),
    }
