"""Which numbers the sandbox's workspace may call, as Telephony Config would say."""

import re
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


_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_NOT_POSSIBLE = {
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "INVALID_COUNTRY_CODE",
    phonenumbers.ValidationResult.TOO_SHORT: "TOO_SHORT",
    phonenumbers.ValidationResult.TOO_LONG: "TOO_LONG",
    phonenumbers.ValidationResult.INVALID_LENGTH: "INVALID_LENGTH",
}
_PARSE_ERRORS = {
    NumberParseException.INVALID_COUNTRY_CODE: "INVALID_COUNTRY_CODE",
    NumberParseException.TOO_SHORT_AFTER_IDD: "TOO_SHORT",
    NumberParseException.TOO_SHORT_NSN: "TOO_SHORT",
    NumberParseException.TOO_LONG: "TOO_LONG",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a number may not be called.

    Attributes:
        reason: DialNexa's word, the name of its group of row errors.
        parsing: why the text is no number; None when it is one.
    """

    reason: str
    parsing: str | None = None


def refusal(phone: str) -> Refusal | None:
    """Why a number may not be called; None when it may."""
    if not _E164.fullmatch(phone):
        return Refusal(INVALID, "NOT_A_NUMBER")
    try:
        number = phonenumbers.parse(phone)
    except NumberParseException as error:
        return Refusal(INVALID, _PARSE_ERRORS.get(error.error_type, "NOT_A_NUMBER"))
    region = phonenumbers.region_code_for_number(number) or ""
    if not phonenumbers.is_valid_number_for_region(number, region):
        possible = phonenumbers.is_possible_number_with_reason(number)
        return Refusal(INVALID, _NOT_POSSIBLE.get(possible, "INVALID_NUMBER"))
    if f"+{number.country_code}{number.national_number}" != phone and (
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) != phone
    ):
        return Refusal(INVALID, "NOT_E164")
    country = ENABLED.get(region)
    if country is None:
        return Refusal(COUNTRY)
    national = phone.removeprefix(f"+{country.calling_code}")
    return None if national.startswith(country.prefixes) else Refusal(PREFIX)
