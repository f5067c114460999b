"""A workflow's leads, parsed as a stream: memory does not grow with the list."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ijson

from dialnexa_pipeline.api.results import ListedLead

_CHUNK = 65_536


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
    """Leads of one response; `total_pages` is known once they are read, if the body says so."""

    chunks: Iterator[bytes]
    total_pages: int | None = None
    leads: int = 0

    def __iter__(self) -> Iterator[ListedLead]:
        """Leads in the body's order.

        Raises:
            ijson.JSONError: the body is cut off or is no JSON.
            ValueError: the body holds no list of leads.
        """
        builder: ijson.ObjectBuilder | None = None
        listed = False
        for prefix, event, value in ijson.parse(_Chunks(self.chunks), buf_size=_CHUNK):
            if prefix in {"data", "leads", "items"} and event == "start_array":
                listed = True
            elif prefix in {"data.item", "leads.item", "items.item"}:
                if event == "start_map" or builder is None:
                    builder = ijson.ObjectBuilder()
                builder.event(event, value)
                if event == "end_map":
                    self.leads += 1
                    yield _lead(builder.value or {})
                    builder = None
            elif builder is not None:
                builder.event(event, value)
            elif prefix in {"meta.totalPages", "totalPages"} and event == "number":
                self.total_pages = int(value)
        if not listed:
            raise ValueError("the body holds no list of leads")


def _lead(data: Mapping[str, Any]) -> ListedLead:
    variables = data.get("dynamic_variables") or data.get("metadata") or {}
    return ListedLead(
        str(data.get("id") or ""),
        str(data.get("phone_number") or data.get("phone") or ""),
        {str(key): str(value) for key, value in variables.items()}
        if isinstance(variables, dict)
        else {},
        str(data.get("status") or ""),
        _moment(data.get("createdAt") or data.get("enrolled_at")),
    )


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
