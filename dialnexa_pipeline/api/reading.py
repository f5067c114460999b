"""Tolerant readers of what an upload answers; a doubtful body is never read as success."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dialnexa_pipeline.api.results import Accepted
from dialnexa_pipeline.masking import mask_phones_in

_PHONE_KEY = re.compile(r"\+?\d[\d ().-]*", re.ASCII)
_LEFT_OUT = ("skipped", "failed", "rejected", "invalid", "errors", "failed_rows", "skipped_rows")


def read_success(body: bytes, phones: Sequence[str]) -> Accepted | None:
    """One of the three known success bodies; None when the body cannot be understood.

    The forms are those of docs/dialnexa-api.md: a map from phone to lead ids, a count, and one
    lead.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or _contradicts(document):
        return None
    message = mask_phones_in(str(document.get("message") or ""))
    data = document.get("data")
    rest = _left_out(document) or (isinstance(data, dict) and _left_out(data))
    for candidate in (data, document):
        if isinstance(candidate, dict):
            lead = _one_lead(candidate)
            if lead is not None:
                return _accepted({lead[0]: (lead[1],)}, None, message, phones)
    count = _count(document)
    if isinstance(data, dict):
        count = _count(data) if count is None else count
        ids = _lead_map(data, phones)
        if ids is not None:
            return _accepted(ids, count, message, phones)
    if isinstance(data, list):
        leads = [_one_lead(item) for item in data if isinstance(item, dict)]
        listed: dict[str, tuple[str, ...]] = {}
        for lead in leads:
            if lead is not None:
                listed[lead[0]] = (*listed.get(lead[0], ()), lead[1])
        if listed:
            return _accepted(listed, count, message, phones)
    if count is not None:
        return Accepted({}, count, message, complete=count == len(phones) and not rest)
    return None


def _contradicts(document: Mapping[str, Any]) -> bool:
    """The body denies the 2xx that it came with."""
    status = document.get("statusCode")
    return document.get("success") is False or (isinstance(status, int) and status >= 300)


def _left_out(document: Mapping[str, Any]) -> bool:
    """The body counts or lists rows that were skipped, so a count alone proves nothing."""
    return any(document.get(key) for key in _LEFT_OUT)


def _accepted(
    ids: Mapping[str, tuple[str, ...]],
    count: int | None,
    message: str,
    phones: Sequence[str],
) -> Accepted:
    named = all(phone in ids for phone in phones)
    return Accepted(ids, count, message, complete=named and (count is None or count >= len(phones)))


def _lead_map(data: Mapping[str, Any], phones: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """`{"+919876543210": ["lead_abc123"]}`, keyed by the phones as we sent them.

    A single id instead of a list, and a phone without its `+` or with spaces, are read too.
    """
    as_sent = set(phones)
    by_digits: dict[str, str] = {}
    ids: dict[str, tuple[str, ...]] = {}
    for key, found in data.items():
        phone = key
        if key not in as_sent:
            by_digits = by_digits or {_digits(each): each for each in phones}
            phone = by_digits.get(_digits(key), key)
            if not phone.startswith("+") or not _PHONE_KEY.fullmatch(key):
                return None
        listed = found if isinstance(found, list) else [found]
        named = tuple(each for each in map(_id, listed) if each)
        if named:
            ids[phone] = named
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
    """How many were enrolled; the smallest where two keys disagree."""
    values = [document.get(key) for key in ("leads_enrolled", "count", "enrolled")]
    counts = [v for v in values if isinstance(v, int) and not isinstance(v, bool) and v >= 0]
    return min(counts, default=None)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text, flags=re.ASCII)
