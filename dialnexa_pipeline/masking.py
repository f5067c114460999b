"""Hide phone numbers wherever people or logs may read them."""

import re

_KEEP_FIRST, _KEEP_LAST, _HIDE_AT_LEAST = 3, 4, 4
# A driver names the server that it could not reach: a look at the configuration begins there.
_SERVER = r"""server (?:at|on) ["']\d{1,3}(?:\.\d{1,3}){3}["']"""
# Dashes of all kinds stand between digits, and slashes.
_LONG_NUMBER = re.compile(rf"({_SERVER})|\+?\d(?:[\d\s()./\-\u2010-\u2015\u2212]{{5,}}\d)")


def mask_phone(text: str) -> str:
    """`+919876543210` → `+91******3210`; at least four characters are hidden, or all."""
    if len(text) < _KEEP_LAST + _HIDE_AT_LEAST:
        return "*" * len(text)
    first = min(_KEEP_FIRST, len(text) - _KEEP_LAST - _HIDE_AT_LEAST)
    hidden = len(text) - first - _KEEP_LAST
    return f"{text[:first]}{'*' * hidden}{text[-_KEEP_LAST:]}"


def mask_phones_in(text: str) -> str:
    """The same text with whatever may be a phone number masked, but for a server's address.

    That is seven characters or more from one digit to another, with nothing but digits, spaces,
    brackets, points, slashes and dashes between them.
    """
    return _LONG_NUMBER.sub(lambda match: match[1] or mask_phone(match[0]), text)
