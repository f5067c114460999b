"""One spelling and one country to one verdict, as the `phonenumbers` package decides."""

from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException

from dialnexa_pipeline.phones.spelling import read_spelling
from dialnexa_pipeline.phones.verdicts import judge

METADATA_VERSION: str = phonenumbers.__version__

REGIONS: frozenset[str] = frozenset(phonenumbers.SUPPORTED_REGIONS)

# Python's re keeps 512 compiled patterns and phonenumbers has more; older releases lack this.
if hasattr(phonenumbers, "enable_pattern_cache"):
    phonenumbers.enable_pattern_cache()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one phone; `reason` is None exactly when `key` may be called."""

    key: int | None = None
    country: str | None = None
    phone_type: str | None = None
    reason: str | None = None


def parse_phone(raw: str | None, country: str | None, allowed_types: frozenset[str]) -> Verdict:
    """The verdict on one raw phone.

    Args:
        raw: the text as the source has it.
        country: ISO 3166-1 alpha-2 of a number in national form; None when unknown.
        allowed_types: libphonenumber type names in lower case.
    """
    spelling = read_spelling(raw)
    if spelling.reason is not None:
        return Verdict(reason=spelling.reason)
    region = (country or "").strip().upper() or None
    if not spelling.is_international:
        if region is None:
            return Verdict(reason="no_country")
        if region not in REGIONS:
            return Verdict(reason="unknown_country")
    try:
        number = phonenumbers.parse(spelling.text, region if region in REGIONS else None)
    except NumberParseException as error:
        return Verdict(reason=_parse_failure(error))
    if number.extension:
        return Verdict(reason="extension")
    judgement = judge(number)
    if judgement.reason is not None or judgement.phone_type not in allowed_types:
        reason = judgement.reason or "unwanted_type"
        return Verdict(None, judgement.country, judgement.phone_type, reason)
    national = phonenumbers.national_significant_number(number)
    key = int(f"{number.country_code}{national}")
    return Verdict(key, judgement.country, judgement.phone_type)


def _parse_failure(error: NumberParseException) -> str:
    if error.error_type == NumberParseException.TOO_LONG:
        return "too_long"
    if error.error_type in (
        NumberParseException.TOO_SHORT_NSN,
        NumberParseException.TOO_SHORT_AFTER_IDD,
    ):
        return "too_short"
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        return "invalid_number"
    return "not_a_number"
