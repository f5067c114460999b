"""The sandbox's own OpenAPI description."""

from typing import Any

_ERROR = {"$ref": "#/components/schemas/Error"}
_STATUSES = ["draft", "active", "paused", "completed", "cancelled"]


def description() -> dict[str, Any]:
    """OpenAPI 3.0 of the paths that the sandbox serves under /v1."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "DialNexa sandbox", "version": "1"},
        "security": [{"bearer": []}],
        "paths": {
            "/v1/workflows": {
                "get": _operation(
                    "listWorkflows",
                    _ref("WorkflowList"),
                    parameters=[_query("page"), _query("limit")],
                    errors=(400, 401),
                )
            },
            "/v1/workflows/{id}": {
                "get": _operation("getWorkflow", _ref("OneWorkflow"), parameters=[_path("id")])
            },
            "/v1/workflows/{id}/status": {
                "patch": _operation(
                    "setWorkflowStatus",
                    _ref("OneWorkflow"),
                    parameters=[_path("id")],
                    body={"application/json": {"schema": _ref("Action")}},
                    errors=(400, 401, 404),
                )
            },
            "/v1/workflows/{id}/leads": {
                "get": _operation(
                    "listLeads",
                    _ref("LeadList"),
                    parameters=[_path("id"), _query("leadIds", "string")],
                ),
                "post": _operation(
                    "uploadLeads",
                    _ref("Uploaded"),
                    parameters=[_path("id")],
                    body={"multipart/form-data": {"schema": _ref("Upload")}},
                    errors=(400, 401, 404),
                    status="201",
                ),
            },
            "/v1/workflows/{id}/leads/variable-keys": {
                "get": _operation("variableKeys", {"type": "object"}, parameters=[_path("id")])
            },
            "/v1/workflows/{id}/leads/{lead_id}": {
                "delete": _operation(
                    "deleteLead",
                    {"type": "object"},
                    parameters=[_path("id"), _path("lead_id")],
                )
            },
            "/v1/workflows/{id}/leads/{lead_id}/history": {
                "get": _operation(
                    "leadHistory",
                    {"type": "object"},
                    parameters=[_path("id"), _path("lead_id")],
                )
            },
            "/v1/phone-country-rules/countries": {
                "get": _operation("countries", {"type": "array"}, errors=(401,))
            },
            "/v1/phone-country-rules/enabled-network-groups": {
                "get": _operation("networkGroups", {"type": "array"}, errors=(401,))
            },
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _SCHEMAS,
        },
    }


def _operation(
    name: str,
    schema: dict[str, Any],
    *,
    parameters: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
    errors: tuple[int, ...] = (401, 404),
    status: str = "200",
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        status: {"description": "Done", "content": {"application/json": {"schema": schema}}}
    }
    for code in errors:
        responses[str(code)] = {
            "description": "Refused",
            "content": {"application/json": {"schema": _ERROR}},
        }
    operation: dict[str, Any] = {
        "operationId": name,
        "parameters": parameters or [],
        "responses": responses,
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, kind: str = "integer") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": kind}
    if kind == "integer":
        schema |= {"minimum": 1, "maximum": 1000}
    return {"name": name, "in": "query", "required": False, "schema": schema}


_WORKFLOW = {
    "type": "object",
    "required": ["id", "title", "status", "createdAt", "updatedAt"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "string", "enum": _STATUSES},
        "description": {"type": "string", "nullable": True},
        "createdAt": {"type": "string", "format": "date-time"},
        "updatedAt": {"type": "string", "format": "date-time"},
    },
}
_LEAD = {
    "type": "object",
    "required": ["id", "phone_number", "dynamic_variables", "status", "createdAt"],
    "properties": {
        "id": {"type": "string"},
        "phone_number": {"type": "string"},
        "dynamic_variables": {"type": "object", "additionalProperties": {"type": "string"}},
        "status": {"type": "string"},
        "createdAt": {"type": "string", "format": "date-time"},
    },
}
_SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["statusCode", "message", "error"],
        "properties": {
            "statusCode": {"type": "integer"},
            "message": {
                "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
            },
            "error": {"type": "string"},
        },
    },
    "Action": {
        "type": "object",
        "required": ["action"],
        "properties": {
            "action": {"type": "string", "enum": ["activate", "deactivate", "pause", "resume"]}
        },
    },
    "Upload": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    },
    "Uploaded": {
        "type": "object",
        "required": ["statusCode", "data", "count"],
        "properties": {
            "statusCode": {"type": "integer"},
            "message": {"type": "string"},
            "data": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "string"}},
            },
            "count": {"type": "integer"},
        },
    },
    "Lead": _LEAD,
    "LeadList": {
        "type": "object",
        "required": ["data"],
        "properties": {
            "data": {"type": "array", "items": _LEAD},
            "count": {"type": "integer"},
        },
    },
    "WorkflowList": {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {"data": {"type": "array", "items": _WORKFLOW}, "meta": {"type": "object"}},
    },
    "OneWorkflow": {
        "type": "object",
        "required": ["data"],
        "properties": {"data": _WORKFLOW},
    },
}
