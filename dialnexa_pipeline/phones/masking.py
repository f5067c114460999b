"""Hide phone numbers wherever people or logs may read them."""

import re

_KEEP_FIRST, _KEEP_LAST, _HIDE_AT_LEAST = 3, 4, 4
# A driver names the server that it could not reach: a look at the configuration begins there.
_SERVER = r"""server (?:at|on) ["']\d{1,3}(?:\.\d{1,3}){3}["']"""
_LONG_NUMBER = re.compile(rf"({_SERVER})|\+?\d(?:[\d\s().-]{{5,}}\d)")


def mask_phone(text: str) -> str:
    """`+919876543210` → `+91******3210`; at least four characters are hidden, or all."""
    if len(text) < _KEEP_LAST + _HIDE_AT_LEAST:
        return "*" * len(text)
    first = min(_KEEP_FIRST, len(text) - _KEEP_LAST - _HIDE_AT_LEAST)
    hidden = len(text) - first - _KEEP_LAST
    return f"{text[:first]}{'*' * hidden}{text[-_KEEP_LAST:]}"


def mask_phones_in(text: str) -> str:
    """The same text with every run of seven or more digits masked, but for a server's address."""
    return _LONG_NUMBER.sub(lambda match: match[1] or mask_phone(match[0]), text)
