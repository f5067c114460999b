"""Row errors out of a 400: every plausible nesting, phone first, position as tie-break."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dialnexa_pipeline.api.masking import mask_phones_in
from dialnexa_pipeline.api.results import RowError, SentRow

_PHONE_KEYS = ("phone_number", "phoneNumber", "phone", "number")
_POSITION_KEYS = ("position", "row", "row_number", "rowNumber", "index", "line")
_REASON_KEYS = ("failed_parsing_reason", "reason", "error", "message", "detail")
_PHONE_IN_TEXT = re.compile(r"\+\d{7,17}")
_POSITION_IN_TEXT = re.compile(r"\b(?:row|line|position)\s*#?:?\s*(\d+)", re.IGNORECASE)
# Envelope words that are no reason for a row.
_ENVELOPE = frozenset({"statusCode", "error", "timestamp", "path", "count", "total"})
_FILE_LEVEL = (
    "must be a csv",
    "must include a phone_number",
    "no file",
    "file is required",
    "file is empty",
    "file too large",
    "unsupported file",
)
# position - index in the file: rows counted from 0, from 1, or with the header as row 1.
_CONVENTIONS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class _Mention:
    phone: str | None
    position: int | None
    reason: str


def is_file_level(message: str) -> bool:
    """The 400 is about the file itself, which is never answered by halving."""
    lowered = message.lower()
    return any(words in lowered for words in _FILE_LEVEL)


def read_row_errors(
    document: object, rows: Sequence[SentRow]
) -> tuple[tuple[RowError, ...], tuple[str, ...]]:
    """Row errors that can be pinned to sent rows, and texts that cannot.

    The phone decides. A position without a phone counts only when other rows of the same answer
    show by their phones how this vendor counts; a guess would reject the wrong person.
    """
    by_phone = {row.phone: index for index, row in enumerate(rows)}
    mentions = list(_mentions(document, "", False))
    convention = _convention(mentions, by_phone)
    errors: dict[int, RowError] = {}
    loose: list[str] = []
    for mention in mentions:
        index = by_phone.get(mention.phone or "")
        if index is None and mention.position is not None and convention is not None:
            index = mention.position - convention
        reason = mask_phones_in(mention.reason)
        if index is None or not 0 <= index < len(rows):
            loose.append(reason)
        else:
            errors.setdefault(index, RowError(index, rows[index].phone, reason, reason))
    return tuple(errors[index] for index in sorted(errors)), tuple(dict.fromkeys(loose))


def _convention(mentions: Sequence[_Mention], by_phone: Mapping[str, int]) -> int | None:
    offsets = {
        mention.position - by_phone[mention.phone]
        for mention in mentions
        if mention.phone in by_phone and mention.position is not None and mention.phone is not None
    }
    if len(offsets) == 1 and (offset := offsets.pop()) in _CONVENTIONS:
        return offset
    return None


def _mentions(node: object, reason: str, is_row: bool) -> Iterator[_Mention]:
    """Walk any nesting; `reason` is what the groups above said."""
    if isinstance(node, str):
        phone = _PHONE_IN_TEXT.search(node)
        position = _POSITION_IN_TEXT.search(node)
        if phone or position:
            yield _Mention(
                phone[0] if phone else None,
                int(position[1]) if position else None,
                reason or node,
            )
        elif is_row and reason:
            yield _Mention(None, None, f"{reason}: {node}")
    elif isinstance(node, bool):
        return
    elif isinstance(node, int):
        if is_row and reason:
            yield _Mention(None, node, reason)
    elif isinstance(node, list):
        for item in node:
            yield from _mentions(item, reason, True)
    elif isinstance(node, dict):
        yield from _mentions_in_object(node, reason)


def _mentions_in_object(node: Mapping[str, Any], reason: str) -> Iterator[_Mention]:
    phone = next((str(node[key]) for key in _PHONE_KEYS if node.get(key)), None)
    position = next(
        (value for key in _POSITION_KEYS if (value := _integer(node.get(key))) is not None), None
    )
    own = next((node[key] for key in _REASON_KEYS if isinstance(node.get(key), str)), "")
    if phone is not None or position is not None:
        yield _Mention(phone, position, reason or own or "refused")
        return
    grouped = own or reason
    for key, value in node.items():
        if key in _ENVELOPE and not isinstance(value, list | dict):
            continue
        if key in _REASON_KEYS and isinstance(value, str):
            if not any(isinstance(other, list | dict) for other in node.values()):
                yield from _mentions(value, reason, False)
            continue
        if _PHONE_IN_TEXT.fullmatch(key):
            yield _Mention(key, None, value if isinstance(value, str) else grouped or "refused")
            continue
        says = key if " " in key else grouped
        yield from _mentions(value, says, isinstance(value, list))


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and value.isdigit() else None
