"""Which numbers the sandbox's workspace may call, as Telephony Config would say."""

from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException

INVALID = "Invalid phone number"
COUNTRY = "Unsupported destination country"
PREFIX = "Unsupported prefix"


@dataclass(frozen=True, slots=True)
class EnabledCountry:
    """A country with the prefixes that may be called."""

    iso: str
    name: str
    calling_code: str
    prefixes: tuple[str, ...]


_ALL = tuple("123456789")
ENABLED: dict[str, EnabledCountry] = {
    country.iso: country
    for country in (
        EnabledCountry("IN", "India Mobile", "91", ("6", "7", "8", "9")),
        EnabledCountry("US", "United States", "1", _ALL),
        EnabledCountry("GB", "United Kingdom", "44", _ALL),
        EnabledCountry("AE", "United Arab Emirates", "971", _ALL),
        EnabledCountry("SG", "Singapore", "65", _ALL),
    )
}


def refusal(phone: str) -> str | None:
    """Why a number may not be called; None when it may."""
    if not phone.startswith("+"):
        return INVALID
    try:
        number = phonenumbers.parse(phone)
    except NumberParseException:
        return INVALID
    if not phonenumbers.is_valid_number(number):
        return INVALID
    country = ENABLED.get(phonenumbers.region_code_for_number(number) or "")
    if country is None:
        return COUNTRY
    national = phone.removeprefix(f"+{country.calling_code}")
    return None if national.startswith(country.prefixes) else PREFIX
