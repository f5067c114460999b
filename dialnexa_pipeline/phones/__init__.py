"""Normalise and validate phones, a whole column at a time."""

from dialnexa_pipeline.phones.columns import normalise_phones
from dialnexa_pipeline.phones.identity import PhoneHasher, SpelledPhones
from dialnexa_pipeline.phones.parsing import METADATA_VERSION, Verdict, parse_phone
from dialnexa_pipeline.phones.verdicts import PHONE_TYPES

__all__ = [
    "METADATA_VERSION",
    "PHONE_TYPES",
    "PhoneHasher",
    "SpelledPhones",
    "Verdict",
    "normalise_phones",
    "parse_phone",
]
