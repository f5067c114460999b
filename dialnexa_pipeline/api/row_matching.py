"""Which sent rows a phone number or a position of DialNexa's answer can mean."""

import re
from collections.abc import Sequence

_PHONE = re.compile(r"\+\d{7,17}(?!\d)|(?<![\w+*-])\d{8,17}(?![\w-])", re.ASCII)
_SPACED_PHONE = re.compile(r"\+\d(?:[ ().-]{0,2}\d){6,16}(?!\d)", re.ASCII)
# One number after a plural is as likely a count ("Invalid rows: 2") and is left alone.
_POSITIONS = re.compile(
    r"\b(?:row|line|position|lead|item)[\s#:]*(\d{1,7})(?![\d,]*\d)"
    r"|\b(?:rows|lines|positions|leads|items|data)(?:\[(\d{1,7})\]|\.(\d{1,7})\.)"
    r"|\b(?:rows|lines|positions)[\s#:]*(\d{1,7}(?:(?:,\s+(?:and\s+)?|\s+and\s+)\d{1,7})+)(?!\d)",
    re.IGNORECASE | re.ASCII,
)
_NOT_DIGIT = re.compile(r"\D", re.ASCII)
# A number in national form is compared by its end; shorter ends would meet the wrong person.
_SHORTEST_END = 9


class SentPhones:
    """The phones of an uploaded file's rows, found by any spelling."""

    def __init__(self, phones: Sequence[str]) -> None:
        self.phones = phones
        self._exact: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for index, phone in enumerate(phones):
            digits = _digits(phone)
            self._exact.setdefault(digits, []).append(index)
            self._ends.setdefault(digits[-_SHORTEST_END:], []).append(index)

    def exact(self, phone: str) -> tuple[int, ...]:
        """Rows with exactly these digits."""
        return tuple(self._exact.get(_digits(phone), ()))

    def places(self, phone: str) -> tuple[int, ...]:
        """Rows that the number may mean: exactly, or by its end when it names no country."""
        exact = self.exact(phone)
        digits = _digits(phone)
        if exact or phone.strip().startswith(("+", "00")):
            return exact or self.exact(digits.removeprefix("00"))
        national = digits.lstrip("0")
        if len(national) < _SHORTEST_END:
            return ()
        return tuple(
            index
            for index in self._ends.get(national[-_SHORTEST_END:], ())
            if _digits(self.phones[index]).endswith(national)
        )

    def phones_in(self, text: str) -> tuple[str, ...]:
        """Numbers in a sentence: with a `+`, or bare digits that belong to a sent row."""
        found = [
            phone
            for phone in _PHONE.findall(text)
            if phone.startswith("+") or len(self.places(phone)) > 0
        ]
        if not any(self.exact(phone) for phone in found):
            found = [p for p in _SPACED_PHONE.findall(text) if self.exact(p)] or found
        return tuple(dict.fromkeys(found))


def positions_in(text: str) -> tuple[int, ...]:
    """`row 3`, `rows 3, 5 and 7`, `leads[3].phone_number`: the numbers, as the vendor counts."""
    return tuple(
        int(number)
        for groups in _POSITIONS.findall(text)
        for number in re.findall(r"\d+", " ".join(groups), re.ASCII)
    )


def reason_in(text: str) -> str:
    """The sentence without the numbers that name rows, so that equal reasons read alike."""
    bare = _POSITIONS.sub(" ", _SPACED_PHONE.sub(" ", _PHONE.sub(" ", text)))
    return re.sub(r"\s+", " ", bare).strip(" ,:;.-–()[]'\"")


def _digits(text: str) -> str:
    return _NOT_DIGIT.sub("", text)
