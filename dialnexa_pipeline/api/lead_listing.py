"""A workflow's leads, parsed as a stream: memory does not grow with the list."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ijson

from dialnexa_pipeline.api.results import ListedLead

_CHUNK = 65_536
_LISTS = frozenset({"", "data", "leads", "items", "data.leads", "data.items", "data.data"})
_LEADS = frozenset(f"{name}.item".removeprefix(".") for name in _LISTS)


class _Chunks:
    """An iterator of bytes as the file-like object that ijson reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        if size == 0:
            return b""
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return b""
            self._rest = piece
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


@dataclass(slots=True)
class Page:
    """Leads of one response; what its body says of the whole list is known once they are read.

    Attributes:
        total: how many leads the list claims to have; None when it does not say.
        total_pages: how many pages it has; None in the form with one body.
    """

    chunks: Iterator[bytes]
    total: int | None = None
    total_pages: int | None = None
    leads: int = 0

    def __iter__(self) -> Iterator[ListedLead]:
        """Leads in the body's order.

        Raises:
            ijson.JSONError: the body is cut off or is no JSON.
            ValueError: the body holds no list of leads, or something else in it.
        """
        builder: ijson.ObjectBuilder | None = None
        listed = False
        page_size = 0
        for prefix, event, value in ijson.parse(_Chunks(self.chunks), buf_size=_CHUNK):
            if builder is not None:
                builder.event(event, value)
                if prefix in _LEADS and event == "end_map":
                    self.leads += 1
                    yield _lead(builder.value or {})
                    builder = None
            elif prefix in _LISTS and event == "start_array":
                listed = True
            elif prefix in _LEADS:
                if event != "start_map":
                    raise ValueError("the list holds something that is not a lead")
                builder = ijson.ObjectBuilder()
                builder.event(event, value)
            elif event == "number":
                key = prefix.removeprefix("data.").removeprefix("meta.")
                if key in {"count", "total", "totalItems"}:
                    self.total = max(self.total or 0, int(value))
                elif key == "totalPages":
                    self.total_pages = int(value)
                elif key in {"limit", "itemsPerPage"}:
                    page_size = int(value)
        if not listed:
            raise ValueError("the body holds no list of leads")
        if self.total_pages is None and self.total is not None and page_size > 0:
            self.total_pages = -(-self.total // page_size)


def _lead(data: Mapping[str, Any]) -> ListedLead:
    lead_id = str(data.get("id") or data.get("lead_id") or "")
    if not lead_id:
        raise ValueError("a lead has no id")
    return ListedLead(
        lead_id,
        str(data.get("phone_number") or data.get("phone") or ""),
        _variables(data.get("dynamic_variables") or data.get("metadata")),
        str(data.get("status") or ""),
        _moment(data.get("createdAt") or data.get("created_at") or data.get("enrolled_at")),
    )


def _variables(found: object) -> dict[str, str]:
    """The uploaded columns; an object that was stored as JSON text is read too."""
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): "" if value is None else str(value) for key, value in found.items()}


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
