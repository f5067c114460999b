"""Recognising a number that must not be kept: by a keyed hash, and in any spelling."""

import hashlib
import hmac
import unicodedata
from collections.abc import Collection

import phonenumbers

from dialnexa_pipeline.errors import ConfigError

_LEAST_CHARACTERS = 32
# Fewer digits than this stand in too many texts to mean one person.
_LEAST_DIGITS = 7


class PhoneHasher:
    """HMAC-SHA256 of `+E.164` under a secret key.

    There are few enough numbers to try them all, so the key must be long and stay secret.

    Raises:
        ConfigError: the key is missing or shorter than 32 characters.
    """

    def __init__(self, key: str) -> None:
        if len(key) < _LEAST_CHARACTERS:
            raise ConfigError(
                f"DIALNEXA_ERASURE_KEY is {'too short' if key else 'not set'}; it must have "
                f"{_LEAST_CHARACTERS} characters or more. Make one with `openssl rand -hex 32`, "
                "keep it secret and keep it for ever: without it nobody who was erased is "
                "recognised."
            )
        self._key = key.encode()

    def hash(self, phone: int) -> str:
        """The hash of a number, given as the digits of its E.164 form."""
        return self._digest(f"+{phone}")

    @property
    def key_id(self) -> str:
        """Tells keys apart without telling the key."""
        return self._digest("dialnexa erasure key")[:16]

    def _digest(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), hashlib.sha256).hex()


class SpelledPhones:
    """Some numbers, recognised in raw texts whatever stands between or around their digits."""

    def __init__(self, phones: Collection[int]) -> None:
        self._digits = {_telling_digits(phone) for phone in phones}
        self._lengths = sorted({len(digits) for digits in self._digits})

    def are_in(self, text: str | None) -> bool:
        """Whether one of the numbers is in the text, in national or international form."""
        if not text:
            return False
        digits = "".join(
            str(unicodedata.decimal(character)) for character in text if character.isdecimal()
        )
        return any(
            digits[start : start + length] in self._digits
            for length in self._lengths
            for start in range(len(digits) - length + 1)
        )


def _telling_digits(phone: int) -> str:
    number = phonenumbers.parse(f"+{phone}")
    national = phonenumbers.national_significant_number(number)
    return national if len(national) >= _LEAST_DIGITS else str(phone)
