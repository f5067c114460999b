"""Hide phone numbers wherever people or logs may read them."""

import re

_KEEP_FIRST, _KEEP_LAST = 3, 4
_LONG_NUMBER = re.compile(r"\+?\d(?:[\d\s().-]{5,}\d)")


def mask_phone(text: str) -> str:
    """`+919876543210` → `+91******3210`; short texts are hidden whole."""
    if len(text) <= _KEEP_FIRST + _KEEP_LAST:
        return "*" * len(text)
    hidden = len(text) - _KEEP_FIRST - _KEEP_LAST
    return f"{text[:_KEEP_FIRST]}{'*' * hidden}{text[-_KEEP_LAST:]}"


def mask_phones_in(text: str) -> str:
    """The same text with every run of seven or more digits masked."""
    return _LONG_NUMBER.sub(lambda match: mask_phone(match[0]), text)
