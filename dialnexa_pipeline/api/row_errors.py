"""Row errors out of a 400: every plausible nesting, phone first, bare positions apart."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dialnexa_pipeline.api.results import PositionError, RowError
from dialnexa_pipeline.api.row_matching import SentPhones, positions_in, reason_in
from dialnexa_pipeline.masking import mask_phones_in

_PHONE_KEYS = ("phone_number", "phoneNumber", "phone", "number")
_POSITION_KEYS = ("position", "row", "row_number", "rowNumber", "index", "line")
_REASON_KEYS = ("failed_parsing_reason", "reason", "error", "message", "detail", "description")
_REASON_LISTS = ("reasons", "errors", "messages", "message", "error")
_ROW_KEYS = ("row", "lead", "record", "item", "data")
_FILE_LEVEL = (
    "must be a csv",
    "must include a phone_number",
    "no file",
    "file is required",
    "file is empty",
    "file too large",
    "unsupported file",
)
# Keys that hold rows or groups and are no reason themselves, written without their separators.
_STRUCTURE = re.compile(
    r"(?:invalid|failed|rejected|bad|row|lead|grouped?|validation|phone|line)?"
    r"(?:rows?|errors?|leads?|groups?|items?|details?|lines?|records?|numbers?|phones?|positions?"
    r"|issues?|results?|data|messages?|reasons?|list)"
    r"|invalid|failed|rejected|response|body|summary|meta"
)
# Keys of rows that the vendor found in order: whoever is listed there is not refused.
_IN_ORDER = re.compile(r"valid(?!at)|accepted|allowed|enabled|success|succeeded|passed|enrolled")
_GENERIC = re.compile(r"bad request|unprocessable entity|.*validation (?:failed|error).*")
_ROW_KEY = re.compile(
    r"(?:(?:rows?|lines?|positions?|leads?)[ _.\[#]*)?(\d{1,7})\]?(?:\.\w+)*",
    re.IGNORECASE | re.ASCII,
)
# Only under these keys is a bare number a position; elsewhere it may be a count or a prefix.
_POSITION_LISTS = frozenset({"rows", "positions", "lines", "rownumbers", "indexes", "indices"})
# position - index in the file: rows counted from 0, from 1, or with the header as row 1.
_CONVENTIONS = (0, 1, 2)
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class _Mention:
    """`places`: rows that its phone can mean; `named`: it has a phone at all."""

    places: tuple[int, ...]
    named: bool
    exact: bool
    position: int | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """What a 400 says of rows; `api.errors.RowsRefused` explains the attributes."""

    errors: tuple[RowError, ...]
    positions: tuple[PositionError, ...]
    unattributed: tuple[str, ...]


def is_file_level(message: str) -> bool:
    """The 400 is about the file itself, which is never answered by halving."""
    lowered = message.lower()
    return any(words in lowered for words in _FILE_LEVEL)


def read_row_errors(document: object, phones: Sequence[str]) -> RefusedRows:
    """Row errors that can be pinned to sent rows, bare positions, and texts that name no row.

    The phone decides. A position is pinned only where the phone is missing or fits several rows,
    and only when other rows of the same answer show by their phones how this vendor counts; a
    guess would reject the wrong person. The words are those of DialNexa's documents.
    """
    reader = _Reader(SentPhones(phones))
    reader.read(document)
    convention = _convention(reader.mentions)
    errors: dict[int, RowError] = {}
    positions: dict[int, PositionError] = {}
    loose: list[str] = []
    for mention in reader.mentions:
        index = _index(mention, convention)
        reason, detail = mask_phones_in(mention.reason), mask_phones_in(mention.detail)
        if index is not None and 0 <= index < len(phones):
            errors.setdefault(index, RowError(index, phones[index], reason, detail))
        elif mention.position is not None and not mention.named and convention is None:
            position = mention.position
            positions.setdefault(position, PositionError(position, reason, detail))
        else:
            loose.append(reason)
    return RefusedRows(
        tuple(errors[index] for index in sorted(errors)),
        tuple(positions[position] for position in sorted(positions)),
        tuple(dict.fromkeys(loose)),
    )


def _convention(mentions: Sequence[_Mention]) -> int | None:
    offsets = {
        mention.position - mention.places[0]
        for mention in mentions
        if mention.exact and len(mention.places) == 1 and mention.position is not None
    }
    if len(offsets) == 1 and (offset := offsets.pop()) in _CONVENTIONS:
        return offset
    return None


def _index(mention: _Mention, convention: int | None) -> int | None:
    if len(mention.places) == 1:
        return mention.places[0]
    if mention.position is None or convention is None:
        return None
    index = mention.position - convention
    # A number that we did not send contradicts its position: neither is believed.
    if mention.named and index not in mention.places:
        return None
    return index


class _Reader:
    """Walks any nesting and collects what may be rows."""

    def __init__(self, sent: SentPhones) -> None:
        self._sent = sent
        self._envelope = ""
        self.mentions: list[_Mention] = []

    def read(self, document: object) -> None:
        if isinstance(document, dict) and isinstance(document.get("message"), str):
            self._envelope = document["message"]
            document = {key: value for key, value in document.items() if key != "error"} | (
                {"error": document["error"]}
                if isinstance(document.get("error"), list | dict)
                else {}
            )
        self._walk(document, "", False, 0)

    def _add(self, phone: str | None, position: int | None, reason: str, detail: str) -> None:
        says = reason or reason_in(detail) or self._envelope or "refused"
        places = self._sent.places(phone) if phone is not None else ()
        # A masked or cut number names nobody: then the position may speak.
        named = phone is not None and (len(places) > 0 or sum(map(str.isdigit, phone)) >= 7)
        exact = phone is not None and len(self._sent.exact(phone)) > 0
        sentence = detail if reason_in(detail) else says
        self.mentions.append(_Mention(places, named, exact, position, says, sentence))

    def _walk(self, node: object, reason: str, is_row: bool, depth: int) -> None:
        if depth > _DEEPEST or isinstance(node, bool):
            return
        if isinstance(node, str):
            self._text(node, reason, is_row)
        elif isinstance(node, int):
            self._text(str(node), reason, is_row)
        elif isinstance(node, list):
            for item in node:
                self._walk(item, reason, True, depth + 1)
        elif isinstance(node, dict):
            self._object(node, reason, depth)

    def _text(self, text: str, reason: str, is_row: bool) -> None:
        phones = self._sent.phones_in(text)
        positions = positions_in(text)
        for phone in phones:
            position = positions[0] if len(phones) == len(positions) == 1 else None
            self._add(phone, position, reason, text)
        if phones:
            return
        for position in positions:
            self._add(None, position, reason, text)
        if not positions and is_row and text.strip():
            self._add(None, None, f"{reason}: {text}" if reason else text, text)

    def _object(self, node: Mapping[str, Any], reason: str, depth: int) -> None:
        for key in _ROW_KEYS:
            inner = node.get(key)
            if isinstance(inner, dict) and (_phone(inner) or _position(inner) is not None):
                node = {**{k: v for k, v in node.items() if k != key}, **inner}
                break
        phone, position, own = _phone(node), _position(node), self._own_reason(node)
        if phone is not None or position is not None:
            self._add(phone, position, reason or own, own or reason)
            return
        grouped = (reason if _GENERIC.fullmatch(own.lower()) else own) or reason
        # At the top the message speaks of the whole answer, not of a group.
        grouped = grouped if depth else reason
        for key, value in node.items():
            self._member(str(key), value, grouped, own, depth)

    def _member(self, key: str, value: object, grouped: str, own: str, depth: int) -> None:
        bare = re.sub(r"[^a-z]", "", key.lower())
        structural = " " not in key and _STRUCTURE.fullmatch(bare) is not None
        if " " not in key and _IN_ORDER.match(bare):
            return
        keyed_phone = key if key.startswith("+") or self._sent.exact(key) else None
        keyed_position = _ROW_KEY.fullmatch(key) if keyed_phone is None else None
        if keyed_phone is not None or keyed_position is not None:
            name: dict[str, object] = (
                {"phone_number": keyed_phone}
                if keyed_phone is not None
                else {"position": int(keyed_position[1] if keyed_position else 0)}
            )
            if isinstance(value, dict):
                self._object({**name, **value}, grouped, depth + 1)
            else:
                texts = value if isinstance(value, list) else [value]
                says = "; ".join(text for text in texts if isinstance(text, str))
                self._object({**name, "reason": says}, grouped, depth + 1)
        elif isinstance(value, list | dict):
            if isinstance(value, list) and own and own == _joined(value):
                return
            says = grouped if structural else _words(key)
            if bare in _POSITION_LISTS and isinstance(value, list):
                for item in value:
                    if (position := _whole_number(item)) is not None:
                        self._add(None, position, says, says)
                value = [item for item in value if _whole_number(item) is None]
            self._walk(value, says, False, depth + 1)
        elif isinstance(value, str):
            names_reason = not structural and key not in _REASON_KEYS and not reason_in(value)
            says = _words(key) if names_reason else ("" if value == own else grouped)
            self._text(value, says, False)

    def _own_reason(self, node: Mapping[str, Any]) -> str:
        for key in _REASON_KEYS:
            value = node.get(key)
            if isinstance(value, str) and value.strip():
                return value if not self._sent.phones_in(value) else reason_in(value)
        for key in _REASON_LISTS:
            says = _joined(node.get(key))
            if says and not self._sent.phones_in(says) and not positions_in(says):
                return says
        return ""


def _joined(value: object) -> str:
    """A list of sentences as one; empty when it is anything else or holds bare numbers."""
    if not isinstance(value, list):
        return ""
    texts = [text for text in value if isinstance(text, str) and re.search(r"[^\W\d]", text)]
    return "; ".join(texts) if len(texts) == len(value) else ""


def _phone(node: Mapping[str, Any]) -> str | None:
    for key in _PHONE_KEYS:
        value = node.get(key)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _position(node: Mapping[str, Any]) -> int | None:
    for key in _POSITION_KEYS:
        if (number := _whole_number(node.get(key))) is not None:
            return number
    return None


def _whole_number(value: object) -> int | None:
    """A number of at most seven digits: longer ones may be phone numbers."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else None


def _words(key: str) -> str:
    """`INVALID_PHONE_NUMBER` and `invalidPhoneNumber` as `invalid phone number`; text unchanged."""
    if " " in key:
        return key
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]+", " ", key).strip().lower()
