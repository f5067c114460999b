"""What a spelling gives away before parsing: spreadsheet damage, letters, extensions."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_SCIENTIFIC = re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]?\d+")
# Seven digits or more before the point: `98765.00000` is a number written in two groups.
_FLOAT_OF_INTEGER = re.compile(r"(\+?\d{7,})\.0+")
_FRACTION = re.compile(r"\+?\d{7,}[.,]\d{1,2}")
# `+91-9876543210` typed into a spreadsheet is a subtraction.
_DIFFERENCE = re.compile(r"-\d+(?:\.\d+)?")
# U+30FC is a letter to Unicode and a dash in Japanese numbers.
_LETTER = re.compile(r"[^\W\d_\u30fc]")
_EXTENSION = re.compile(
    r"(?:(?:\bext(?:ension|n|\.)?|\bx|#|;ext=|доб|anexo|\bint)[\s.:=]*\d+\s*$)", re.IGNORECASE
)
_INTERNATIONAL = re.compile(r"^[\s(\[]*(?:\+|\uff0b)")
# Direction marks and zero-width characters come along when a number is copied from a contact.
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_TEL = re.compile(r"tel:\s*", re.IGNORECASE)


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
    """Repair only what is exact: a trailing `.0`, a leading apostrophe or `tel:`, invisible marks.

    `9.87654321E9` would parse to a valid, wrong number, so scientific notation is refused, and
    so are a spreadsheet's formulas, fractions, and letters, which would be dialled as digits.
    """
    text = _INVISIBLE.sub("", raw or "").strip()
    if text.startswith("'"):
        text = text[1:].strip()
    if not text:
        return Spelling("", "blank")
    if text.startswith("=") or _DIFFERENCE.fullmatch(text):
        return Spelling(text, "formula")
    if _SCIENTIFIC.fullmatch(text):
        return Spelling(text, "scientific_notation")
    whole = _FLOAT_OF_INTEGER.fullmatch(text)
    if whole is not None:
        return Spelling(whole[1])
    if _FRACTION.fullmatch(text) or "*" in text:
        return Spelling(text, "not_a_number")
    if _EXTENSION.search(text):
        return Spelling(text, "extension")
    tel = _TEL.match(text)
    if tel is not None:
        text = text[tel.end() :]
    if _LETTER.search(text):
        has_digits = any(character.isdigit() for character in text)
        return Spelling(text, "letters" if has_digits else "not_a_number")
    return Spelling(text)


def mend_spellings(texts: pa.StringArray) -> pa.StringArray:
    """The two most frequent repairs of `read_spelling`, for a whole column.

    Args:
        texts: no nulls.

    Returns:
        A text of digits and separators is here what `read_spelling` makes of it; of others nothing
        is said.
    """
    bare = pc.replace_substring_regex(texts, r"^'([+0-9(])", r"\1")
    return pc.replace_substring_regex(bare, r"^(\+?[0-9]{7,})\.0+$", r"\1")
