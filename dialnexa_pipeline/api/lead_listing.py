"""A workflow's leads, parsed as a stream: memory does not grow with the list."""

import codecs
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from dialnexa_pipeline.api.results import ListedLead

_LISTS = frozenset({"", "data", "leads", "items", "data.leads", "data.items", "data.data"})
_ABOUT_LIST = ("meta", "pagination", "page_info", "pageInfo", "links")
_OBJECTS = frozenset({"", "data", *_ABOUT_LIST, *(f"data.{name}" for name in _ABOUT_LIST)})
# Whatever spells these says by a value that there are more leads.
_MORE = frozenset({"hasmore", "hasnext", "hasnextpage", "next", "nextcursor", "nextpage"})
_FAILED = frozenset({"error", "fail", "failed", "failure"})
# No lead is larger, and nothing else in the body either.
_LARGEST_VALUE = 4_000_000
_BROKEN = "the body is cut off or is no JSON"
_BLANKS = frozenset(" \t\n\r")
_AFTER_VALUE = _BLANKS | frozenset(",:]}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_VALUES = json.JSONDecoder(parse_constant=_refuse_constant)
# A lead's numbers are uploaded text that the vendor took for numbers, so their digits are kept.
_LEADS = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=str, parse_float=str)


class _Text:
    """JSON text that arrives in pieces; what was read is forgotten."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._text):
                found = self._text[self._at]
                if found not in _BLANKS:
                    return found
                self._at += 1
            if self._ended:
                return ""
            self._read()

    def take(self, expected: str) -> str:
        """The next character, which must be one of `expected`."""
        found = self.peek()
        if not found or found not in expected:
            raise ValueError(_BROKEN)
        self._at += 1
        return found

    def value(self, decoder: json.JSONDecoder) -> Any:
        """The next whole value."""
        self.peek()
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if self._ended:
                    raise
            else:
                # Only what follows a value shows that it is whole: 1 may go on as 1e5.
                if self._ended or self._text[end : end + 1] in _AFTER_VALUE:
                    self._at = end
                    return value
            if len(self._text) - self._at > _LARGEST_VALUE:
                raise ValueError(_BROKEN)
            self._read()

    def _read(self) -> None:
        piece = next(self._chunks, None)
        self._ended = piece is None
        self._text = self._text[self._at :] + self._decode(piece or b"", self._ended)
        self._at = 0


@dataclass(slots=True)
class Page:
    """Leads of one response; what its body says of the whole list is known once they are read.

    Attributes:
        total: how many leads the list claims to have; None when it does not say.
        total_pages: how many pages it has; None in the form with one body.
        has_more: the body says that another one follows.
    """

    chunks: Iterator[bytes]
    total: int | None = None
    total_pages: int | None = None
    has_more: bool = False
    leads: int = 0
    _page_rows: int = 0
    _listed: bool = False

    def __iter__(self) -> Iterator[ListedLead]:
        """Leads in the body's order.

        Raises:
            ValueError: the body is cut off, is no JSON, holds no list of leads, or something else
                in it, or says itself that the call failed.
        """
        text = _Text(self.chunks)
        yield from self._read(text, "")
        if text.peek():
            raise ValueError("something follows the body")
        if not self._listed:
            raise ValueError("the body holds no list of leads")
        if self.total_pages is None and self.total is not None and self._page_rows > 0:
            self.total_pages = -(-self.total // self._page_rows)

    def _read(self, text: _Text, path: str) -> Iterator[ListedLead]:
        """One value of the body: the list, an object that may hold it, or what it says of it."""
        first = text.peek()
        if first == "[" and path in _LISTS:
            self._listed = True
            yield from self._read_list(text)
        elif first == "{" and path in _OBJECTS:
            yield from self._read_object(text, path)
        else:
            self._note(path, text.value(_VALUES))

    def _read_object(self, text: _Text, path: str) -> Iterator[ListedLead]:
        text.take("{")
        if text.peek() == "}":
            text.take("}")
            return
        while True:
            if text.peek() != '"':
                raise ValueError(_BROKEN)
            key = text.value(_VALUES)
            text.take(":")
            yield from self._read(text, f"{path}.{key}" if path else key)
            if text.take(",}") == "}":
                return

    def _read_list(self, text: _Text) -> Iterator[ListedLead]:
        text.take("[")
        if text.peek() == "]":
            text.take("]")
            return
        while True:
            if text.peek() != "{":
                raise ValueError("the list holds something that is not a lead")
            self.leads += 1
            yield _lead(text.value(_LEADS))
            if text.take(",]") == "]":
                return

    def _note(self, path: str, value: object) -> None:
        key = path.rpartition(".")[2]
        if _denies(path, value):
            raise ValueError("the body says that the call failed")
        if value and key.lower().replace("_", "") in _MORE:
            self.has_more = True
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        if key in {"count", "total", "totalItems"}:
            self.total = max(self.total or 0, int(value))
        elif key in {"totalPages", "total_pages", "pages"}:
            self.total_pages = int(value)
        elif key in {"limit", "itemsPerPage"}:
            self._page_rows = int(value)


def _denies(path: str, value: object) -> bool:
    """Whether a value of the body contradicts the 2xx that it came with."""
    match path:
        case "success" | "data.success":
            return value is False
        case "error" | "errors" | "data.error" | "data.errors":
            return bool(value)
        case "statusCode" | "data.statusCode" | "status":
            return value >= 300 if isinstance(value, int) else str(value).lower() in _FAILED
        case _:
            return False


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
