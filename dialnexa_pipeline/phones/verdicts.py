"""What `phonenumbers` says of one parsed number, in our words."""

from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, ValidationResult

_TYPE_NAMES: dict[int, str] = {
    value: name.lower()
    for name, value in vars(PhoneNumberType).items()
    if isinstance(value, int) and name.isupper()
}
PHONE_TYPES: frozenset[str] = frozenset(_TYPE_NAMES.values())

_NON_GEOGRAPHIC = "001"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A number is valid exactly when it has a type; otherwise `reason` says why it is not."""

    country: str | None = None
    phone_type: str | None = None
    reason: str | None = None


def judge(number: PhoneNumber) -> Judgement:
    """Country and type of a number, or why it is none."""
    found_type = phonenumbers.number_type(number)
    # A number has a type exactly when it is valid (phonenumbers' own definition of validity).
    if found_type == PhoneNumberType.UNKNOWN:
        return Judgement(reason=_why_not_valid(number))
    found = phonenumbers.region_code_for_number(number)
    return Judgement(None if found == _NON_GEOGRAPHIC else found, _TYPE_NAMES[found_type])


def _why_not_valid(number: PhoneNumber) -> str:
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible in (ValidationResult.TOO_SHORT, ValidationResult.IS_POSSIBLE_LOCAL_ONLY):
        return "too_short"
    return "too_long" if possible == ValidationResult.TOO_LONG else "invalid_number"
