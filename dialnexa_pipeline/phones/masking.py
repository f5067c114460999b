"""Hide phone numbers wherever people or logs may read them."""

import re

_KEEP_FIRST, _KEEP_LAST, _HIDE_AT_LEAST = 3, 4, 4
_LONG_NUMBER = re.compile(r"\+?\d(?:[\d\s().-]{5,}\d)")


def mask_phone(text: str) -> str:
    """`+919876543210` → `+91******3210`; at least four characters are hidden, or all."""
    if len(text) < _KEEP_LAST + _HIDE_AT_LEAST:
        return "*" * len(text)
    first = min(_KEEP_FIRST, len(text) - _KEEP_LAST - _HIDE_AT_LEAST)
    hidden = len(text) - first - _KEEP_LAST
    return f"{text[:first]}{'*' * hidden}{text[-_KEEP_LAST:]}"


def mask_phones_in(text: str) -> str:
    """The same text with every run of seven or more digits masked."""
    return _LONG_NUMBER.sub(lambda match: mask_phone(match[0]), text)
