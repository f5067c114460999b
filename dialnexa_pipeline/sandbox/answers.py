"""Bodies of the sandbox's answers, in DialNexa's forms."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from dialnexa_pipeline.sandbox.behaviour import Behaviour
from dialnexa_pipeline.sandbox.destinations import EnabledCountry
from dialnexa_pipeline.sandbox.state import SandboxLead, SandboxWorkflow
from dialnexa_pipeline.sandbox.uploads import RefusedRow

_ERRORS = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_VALIDATION_FAILED = "Lead validation failed"
_Row = dict[str, Any]


def done(message: str, status: int = 200, **more: Any) -> Response:
    """The envelope of a success: `statusCode`, `message` and what else belongs to it."""
    return JSONResponse({"statusCode": status, "message": message, **more}, status)


def error_body(status: int, message: str | list[str] | None = None) -> dict[str, Any]:
    """The envelope of every error."""
    word = _ERRORS.get(status, "Error")
    return {"statusCode": status, "message": message or word, "error": word}


def error(
    status: int, message: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """An error in the envelope that DialNexa uses everywhere."""
    return JSONResponse(error_body(status, message), status, headers)


def uploaded(
    workflow_id: str, leads: Sequence[SandboxLead], skipped: int, behaviour: Behaviour
) -> Response:
    """An accepted upload; the form is the behaviour's."""
    status, count = behaviour.upload_status, len(leads)
    if behaviour.upload_form == "one" and count == 1 and not skipped:
        return JSONResponse(_enrolled_lead(leads[0]), status)
    if behaviour.upload_form != "map":
        message = f"{count} leads enrolled in the workflow."
        body = {"workflow_id": workflow_id, "leads_enrolled": count, "message": message}
        return JSONResponse(body, status)
    ids: dict[str, list[str]] = {}
    for lead in leads:
        ids.setdefault(lead.phone_number, []).append(lead.id)
    message = "Leads uploaded successfully"
    if skipped:
        message = f"{count} leads queued successfully. {skipped} rows skipped"
    return done(message, status, data=ids, count=count)


def row_errors(refused: Sequence[RefusedRow], behaviour: Behaviour) -> Response:
    """A 400 that names the refused rows; the nesting is the behaviour's."""
    rows = [_row_error(each, behaviour.first_position) for each in refused]
    return JSONResponse(_ERROR_FORMS[behaviour.error_form](rows), 400)


def _row_error(refused: RefusedRow, first_position: int) -> tuple[str, _Row]:
    return refused.refusal.reason, {
        "position": refused.row.index + first_position,
        "phone_number": refused.row.phone,
        "failed_parsing_reason": refused.refusal.parsing,
    }


def _by_reason(rows: Iterable[tuple[str, _Row]]) -> dict[str, list[_Row]]:
    groups: dict[str, list[_Row]] = {}
    for reason, row in rows:
        groups.setdefault(reason, []).append(row)
    return groups


def _groups(rows: list[tuple[str, _Row]]) -> list[_Row]:
    return [{"reason": reason, "rows": group} for reason, group in _by_reason(rows).items()]


def _failed(**more: Any) -> dict[str, Any]:
    return {**error_body(400, _VALIDATION_FAILED), **more}


_ERROR_FORMS: dict[str, Callable[[list[tuple[str, _Row]]], dict[str, Any]]] = {
    "groups": lambda rows: _failed(errors=_groups(rows)),
    "by_reason": lambda rows: _failed(errors=_by_reason(rows)),
    "phones": lambda rows: _failed(
        errors={
            reason: [row["phone_number"] for row in group]
            for reason, group in _by_reason(rows).items()
        }
    ),
    "rows": lambda rows: _failed(errors=[{"reason": reason, **row} for reason, row in rows]),
    "strings": lambda rows: error_body(
        400, [f"Row {row['position']}: {row['phone_number']}: {reason}" for reason, row in rows]
    ),
    "nested": lambda rows: _failed(data={"validation": {"groups": _groups(rows)}}),
    "positions": lambda rows: _failed(
        errors=[
            {"reason": reason, "rows": [{"position": row["position"]} for row in group]}
            for reason, group in _by_reason(rows).items()
        ]
    ),
    "position_strings": lambda rows: error_body(
        400, [f"Row {row['position']}: {reason}" for reason, row in rows]
    ),
    "unattributed": lambda _rows: _failed(),
}


def workflow_body(workflow: SandboxWorkflow) -> dict[str, Any]:
    """A workflow as `data` shows it."""
    return {
        "id": workflow.id,
        "title": workflow.title,
        "status": workflow.status,
        "description": None,
        "createdAt": workflow.created_at,
        "updatedAt": workflow.updated_at,
    }


def lead_body(lead: SandboxLead) -> dict[str, Any]:
    """A lead as lists and its history show it."""
    return {
        "id": lead.id,
        "phone_number": lead.phone_number,
        "dynamic_variables": dict(lead.variables),
        "status": lead.status,
        "createdAt": lead.created_at,
    }


def country_body(country: EnabledCountry) -> dict[str, Any]:
    """A country rule."""
    return {
        "country_iso": country.iso,
        "country_name": country.name,
        "calling_code": country.calling_code,
        "prefixes": list(country.prefixes),
    }


def lead_page(documents: Sequence[str], *, page: int, limit: int, total: int) -> Response:
    """One page of leads that are JSON texts already."""
    pages = max(1, -(-total // limit))
    meta = {"page": page, "limit": limit, "total": total, "totalPages": pages}
    body = f'{{"data":[{",".join(documents)}],"meta":{json.dumps(meta)}}}'
    return Response(body, media_type="application/json")


def _enrolled_lead(lead: SandboxLead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "workflow_id": lead.workflow_id,
        "phone_number": lead.phone_number,
        "metadata": dict(lead.variables),
        "current_node_id": None,
        "status": "in_progress",
        "enrolled_at": lead.created_at,
    }
