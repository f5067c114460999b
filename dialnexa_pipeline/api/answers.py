"""Small readers that every call of the client shares."""

from typing import Any

import httpx

from dialnexa_pipeline.api.errors import ApiError, CallRefused
from dialnexa_pipeline.api.results import NetworkGroup
from dialnexa_pipeline.masking import mask_phones_in

CALL_REFUSED = frozenset({401, 402, 403, 404})


def refusal(response: httpx.Response) -> ApiError:
    """The error for an answer that is no success."""
    if response.status_code in CALL_REFUSED:
        return CallRefused(message_of(response), status=response.status_code)
    return ApiError(f"DialNexa answered {response.status_code}: {message_of(response)}")


def json_of(response: httpx.Response) -> Any:
    """The parsed body, or its text."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return response.text


def message_of(response: httpx.Response) -> str:
    """The vendor's message, masked and short."""
    document = json_of(response)
    message = document.get("message") if isinstance(document, dict) else document
    if isinstance(message, list):
        message = "; ".join(str(item) for item in message[:3])
    return mask_phones_in(str(message or response.reason_phrase))[:300].rstrip(".")


def items_of(document: Any) -> list[dict[str, Any]]:
    """The objects of a root array or of `data`."""
    found = document.get("data") if isinstance(document, dict) else document
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def network_group(rule: dict[str, Any]) -> NetworkGroup:
    """A destination out of the vendor's country rule."""
    prefixes = rule.get("prefixes")
    return NetworkGroup(
        str(rule.get("country_iso") or ""),
        str(rule.get("country_name") or ""),
        str(rule.get("calling_code") or ""),
        tuple(str(prefix) for prefix in prefixes) if isinstance(prefixes, list) else (),
    )
