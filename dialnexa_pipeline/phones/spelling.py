"""What a spelling gives away before parsing: spreadsheet damage, letters, extensions."""

import re
from dataclasses import dataclass

_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")
_FLOAT_OF_INTEGER = re.compile(r"(\+?\d+)\.0+")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
_EXTENSION = re.compile(
    r"(?:(?:\bext(?:ension|n|\.)?|\bx|#|;ext=|доб|anexo|\bint)[\s.:=]*\d+\s*$)", re.IGNORECASE
)
_INTERNATIONAL = re.compile(r"^[\s(\[]*(?:\+|\uff0b)")


@dataclass(frozen=True, slots=True)
class Spelling:
    """A spelling ready to parse, or the reason why it is not parsed."""

    text: str
    reason: str | None = None

    @property
    def is_international(self) -> bool:
        """It names its own country with a plus sign."""
        return _INTERNATIONAL.match(self.text) is not None


def read_spelling(raw: str | None) -> Spelling:
    """Repair only what is exact: a trailing `.0` of an integer, and a leading apostrophe.

    `9.87654321E9` would parse to a valid, wrong number, so scientific notation is refused, and
    so is a spreadsheet formula.
    """
    text = (raw or "").strip()
    if text.startswith("'"):
        text = text[1:].strip()
    if not text:
        return Spelling("", "blank")
    if text.startswith("="):
        return Spelling(text, "formula")
    if _SCIENTIFIC.fullmatch(text):
        return Spelling(text, "scientific_notation")
    whole = _FLOAT_OF_INTEGER.fullmatch(text)
    if whole is not None:
        text = whole[1]
    if _EXTENSION.search(text):
        return Spelling(text, "extension")
    if _LETTERS.search(text) and any(character.isdigit() for character in text):
        return Spelling(text, "letters")
    return Spelling(text)
