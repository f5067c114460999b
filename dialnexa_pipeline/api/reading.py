"""Tolerant readers of what an upload answers; a doubtful body is never read as success."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dialnexa_pipeline.api.masking import mask_phones_in
from dialnexa_pipeline.api.results import Accepted, SentRow


def read_success(body: bytes, rows: Sequence[SentRow]) -> Accepted | None:
    """One of the three known success bodies; None when the body cannot be understood.

    The forms are those of docs/dialnexa-api.md: a map from phone to lead ids, a count, and one
    lead.
    """
    try:
        document = json.loads(body)
    except (UnicodeDecodeError, ValueError):
        return None
    if not isinstance(document, dict):
        return None
    message = mask_phones_in(str(document.get("message") or ""))
    data = document.get("data")
    for candidate in (data, document):
        if isinstance(candidate, dict):
            lead = _one_lead(candidate)
            if lead is not None:
                return _accepted({lead[0]: (lead[1],)}, None, message, rows)
    count = _count(document)
    if isinstance(data, dict):
        count = _count(data) if count is None else count
        ids = _lead_map(data)
        if ids is not None:
            return _accepted(ids, count, message, rows)
    if isinstance(data, list):
        leads = [_one_lead(item) for item in data if isinstance(item, dict)]
        listed: dict[str, tuple[str, ...]] = {}
        for lead in leads:
            if lead is not None:
                listed[lead[0]] = (*listed.get(lead[0], ()), lead[1])
        if listed:
            return _accepted(listed, count, message, rows)
    if count is not None:
        return Accepted({}, count, message, complete=count == len(rows))
    return None


def _accepted(
    ids: Mapping[str, tuple[str, ...]],
    count: int | None,
    message: str,
    rows: Sequence[SentRow],
) -> Accepted:
    named = all(row.phone in ids for row in rows)
    return Accepted(ids, count, message, complete=named and (count is None or count >= len(rows)))


def _lead_map(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]] | None:
    """`{"+919876543210": ["lead_abc123"]}`; a single id instead of a list is read too."""
    ids: dict[str, tuple[str, ...]] = {}
    for phone, found in data.items():
        if not phone.startswith("+"):
            return None
        listed = found if isinstance(found, list) else [found]
        ids[phone] = tuple(_id(item) for item in listed if _id(item))
        if not ids[phone]:
            del ids[phone]
    return ids


def _id(item: object) -> str:
    if isinstance(item, dict):
        return str(item.get("id") or "")
    return str(item or "")


def _one_lead(data: Mapping[str, Any]) -> tuple[str, str] | None:
    phone, lead_id = data.get("phone_number"), data.get("id")
    if isinstance(phone, str) and isinstance(lead_id, str) and phone and lead_id:
        return phone, lead_id
    return None


def _count(document: Mapping[str, Any]) -> int | None:
    for key in ("leads_enrolled", "count", "enrolled", "total"):
        value = document.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
