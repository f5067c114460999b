"""The sandbox's own OpenAPI description."""

from typing import Any

from dialnexa_pipeline.sandbox.state import STATUSES

_ERROR = {"$ref": "#/components/schemas/Error"}
_REFUSED_UPLOAD = {"$ref": "#/components/schemas/RowErrors"}


_REFUSALS = {
    400: "Not as described",
    401: "The key is missing or wrong",
    403: "The workflow belongs to another workspace",
    404: "Not found",
    413: "The file is too large",
    429: "Too many requests",
}
_RATE_HEADERS = {
    f"x-ratelimit-{name}": {"required": True, "schema": {"type": "integer", "minimum": 0}}
    for name in ("limit", "remaining", "reset")
}


def description() -> dict[str, Any]:
    """OpenAPI 3.0 of the paths that the sandbox serves under /v1, in their default forms."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "DialNexa sandbox",
            "version": "1",
            "description": "A local stand-in for DialNexa that calls nobody.",
        },
        "security": [{"bearer": []}],
        "paths": {**_workflow_paths(), **_lead_paths(), **_workspace_paths()},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _SCHEMAS,
        },
    }


def _workflow_paths() -> dict[str, Any]:
    order = {
        "name": "sortOrder",
        "in": "query",
        "schema": {"type": "string", "enum": ["ASC", "DESC"]},
    }
    paging = [_query("page"), _query("limit"), _query("sortBy", "string"), order]
    one, workflow = _ref("OneWorkflow"), [_path("workflowId")]
    action = {"application/json": {"schema": _ref("Action")}}
    return {
        "/v1/workflows": {
            "get": _operation("listWorkflows", _ref("WorkflowList"), paging, errors=(400,))
        },
        "/v1/workflows/{workflowId}": {
            "get": _operation("getWorkflow", one, workflow, errors=(403, 404))
        },
        "/v1/workflows/{workflowId}/status": {
            "patch": _operation(
                "updateWorkflowStatus", one, workflow, body=action, errors=(400, 403, 404)
            )
        },
    }


def _lead_paths() -> dict[str, Any]:
    workflow = [_path("workflowId")]
    lead = [*workflow, _path("id")]
    form = {"multipart/form-data": {"schema": _ref("Upload")}}
    base, missing = "/v1/workflows/{workflowId}/leads", (403, 404)
    listed = [*workflow, _query("leadIds", "string")]
    return {
        base: {
            "get": _operation("listWorkflowLeads", _ref("LeadList"), listed, errors=missing),
            "post": _operation(
                "uploadWorkflowLeads",
                _ref("Uploaded"),
                workflow,
                body=form,
                errors=(400, *missing, 413),
                status="201",
            ),
        },
        f"{base}/variable-keys": {
            "get": _operation(
                "listWorkflowLeadVariableKeys", _ref("VariableKeys"), workflow, errors=missing
            )
        },
        f"{base}/{{id}}": {
            "delete": _operation("deleteWorkflowLead", _ref("Done"), lead, errors=missing)
        },
        f"{base}/{{id}}/history": {
            "get": _operation("getWorkflowLeadHistory", _ref("History"), lead, errors=missing)
        },
    }


def _workspace_paths() -> dict[str, Any]:
    rules, groups = _array(_COUNTRY_RULE), _array(_NETWORK_GROUP)
    numbers = _operation("listPhoneNumbers", _ref("Numbers"), [_query("page"), _query("limit")])
    return {
        "/v1/phone-country-rules/countries": {"get": _operation("listPhoneCountryRules", rules)},
        "/v1/phone-country-rules/enabled-network-groups": {
            "get": _operation("listEnabledTelephonyNetworkGroups", groups)
        },
        "/v1/organization-phone-numbers": {"get": numbers},
    }


def _operation(
    name: str,
    schema: dict[str, Any],
    parameters: list[dict[str, Any]] | None = None,
    *,
    body: dict[str, Any] | None = None,
    errors: tuple[int, ...] = (),
    status: str = "200",
) -> dict[str, Any]:
    responses: dict[str, Any] = {status: _response("Done", schema)}
    for code in (401, *errors, 429):
        refused = _REFUSED_UPLOAD if status == "201" and code == 400 else _ERROR
        responses[str(code)] = _response(_REFUSALS[code], refused)
    operation: dict[str, Any] = {
        "operationId": name,
        "parameters": parameters or [],
        "responses": responses,
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _response(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": text,
        "headers": _RATE_HEADERS,
        "content": {"application/json": {"schema": schema}},
    }


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required.split(), "properties": properties}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, kind: str = "integer") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": kind}
    if kind == "integer":
        schema |= {"minimum": 1, "maximum": 1000}
    return {"name": name, "in": "query", "required": False, "schema": schema}


_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "integer"}
_TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
_NULLABLE_TEXT: dict[str, Any] = {"type": "string", "nullable": True}
_WORKFLOW = _object(
    "id title status createdAt updatedAt",
    id=_TEXT,
    title=_TEXT,
    status={"type": "string", "enum": list(STATUSES)},
    description=_NULLABLE_TEXT,
    createdAt=_TIME,
    updatedAt=_TIME,
)
_LEAD = _object(
    "id phone_number dynamic_variables status createdAt",
    id=_TEXT,
    phone_number=_TEXT,
    dynamic_variables={"type": "object", "additionalProperties": _TEXT},
    status=_TEXT,
    createdAt=_TIME,
)
_COUNTRY = {
    "country_iso": {"type": "string", "minLength": 2, "maxLength": 2},
    "country_name": _TEXT,
    "calling_code": _TEXT,
    "prefixes": _array(_TEXT),
}
_COUNTRY_RULE = _object(
    "id country_iso country_name calling_code prefixes is_deleted",
    id=_TEXT,
    **_COUNTRY,
    max_length={"type": "integer", "nullable": True},
    is_deleted={"type": "boolean"},
)
_NETWORK_GROUP = _object(
    "prefix_mode from_phone_number_country_code countryRule",
    prefix_mode={"type": "string", "enum": ["allow_only_listed"]},
    from_phone_number_country_code=_NULLABLE_TEXT,
    countryRule=_object("country_iso country_name calling_code prefixes", **_COUNTRY),
)
_ENVELOPE: dict[str, Any] = {"statusCode": _NUMBER, "message": _TEXT}
_MESSAGE: dict[str, Any] = {"oneOf": [_TEXT, _array(_TEXT)]}
_ROW = _object(
    "position phone_number failed_parsing_reason",
    position=_NUMBER,
    phone_number=_TEXT,
    failed_parsing_reason=_NULLABLE_TEXT,
)
_SCHEMAS: dict[str, Any] = {
    "Error": _object("statusCode message error", statusCode=_NUMBER, message=_MESSAGE, error=_TEXT),
    "RowErrors": _object(
        "statusCode message error",
        statusCode=_NUMBER,
        message=_MESSAGE,
        error=_TEXT,
        errors=_array(_object("reason rows", reason=_TEXT, rows=_array(_ROW))),
    ),
    "Done": _object("statusCode message", **_ENVELOPE),
    "Action": _object(
        "action",
        action={"type": "string", "enum": ["activate", "deactivate", "pause", "resume"]},
    ),
    "Upload": _object("file", file={"type": "string", "format": "binary"}),
    "Uploaded": _object(
        "statusCode message data count",
        **_ENVELOPE,
        data={"type": "object", "additionalProperties": _array(_TEXT)},
        count=_NUMBER,
    ),
    "LeadList": _object(
        "statusCode message data count", **_ENVELOPE, data=_array(_LEAD), count=_NUMBER
    ),
    "VariableKeys": _object(
        "statusCode message data", **_ENVELOPE, data=_object("keys", keys=_array(_TEXT))
    ),
    "History": _object(
        "statusCode message data",
        **_ENVELOPE,
        data=_object("lead history", lead=_LEAD, history=_array({"type": "object"})),
    ),
    "WorkflowList": _object(
        "statusCode message data meta",
        **_ENVELOPE,
        data=_array(_WORKFLOW),
        meta=_object(
            "totalItems itemsPerPage totalPages currentPage",
            totalItems=_NUMBER,
            itemsPerPage=_NUMBER,
            totalPages=_NUMBER,
            currentPage=_NUMBER,
        ),
    ),
    "OneWorkflow": _object("statusCode message data", **_ENVELOPE, data=_WORKFLOW),
    "Numbers": _object(
        "items total page limit",
        items=_array(_object("id phone_number", id=_TEXT, phone_number=_TEXT)),
        total=_NUMBER,
        page=_NUMBER,
        limit=_NUMBER,
    ),
}
