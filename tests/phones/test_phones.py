"""Phones agree with the phonenumbers package; what is damaged is refused with its own reason."""

import random
import re

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.phones import (
    PHONE_TYPES,
    normalise_phones,
    parse_phone,
)

CALLABLE = frozenset({"mobile", "fixed_line_or_mobile"})


@pytest.mark.parametrize(
    ("raw", "country", "expected"),
    [
        ("98765 43210", "IN", "+919876543210"),
        ("9876543210.0", "IN", "+919876543210"),
        ("'9876543210", "in", "+919876543210"),
        ("+1 (415) 555-2671", None, "+14155552671"),
        ("+1 (415) 555-2671", "IN", "+14155552671"),
        ("00919876543210", "IN", "+919876543210"),
        ("\u202a+91 98765 43210\u202c", None, "+919876543210"),
        ("tel:+919876543210", None, "+919876543210"),
        ("98765.00000", "IN", "+919876500000"),
        ("090ー1234ー5678", "JP", "+819012345678"),
    ],
)
def test_numbers_become_e164(raw: str, country: str | None, expected: str) -> None:
    verdict = parse_phone(raw, country, CALLABLE)
    assert f"+{verdict.key}" == expected
    assert verdict.reason is None


@pytest.mark.parametrize(
    ("raw", "country", "reason"),
    [
        ("", "IN", "blank"),
        (None, "IN", "blank"),
        ("9876543210", None, "no_country"),
        ("9876543210", "XX", "unknown_country"),
        ("9.87654321E9", "IN", "scientific_notation"),
        ("9.87E+09", "IN", "scientific_notation"),
        ('="9876543210"', "IN", "formula"),
        ("1-800-FLOWERS", "US", "letters"),
        ("9876543210 ext 5", "IN", "extension"),
        ("+91 98765 43210 x5", None, "extension"),
        ("call me", "IN", "not_a_number"),
        ("-9876543119", "IN", "formula"),
        ("301234567.5", "DE", "not_a_number"),
        ("98765*43210", "IN", "not_a_number"),
        ("9876543210 a", "IN", "letters"),
        ("+9999876543210", None, "invalid_number"),
        ("253 0000", "US", "too_short"),
        ("98765", "IN", "too_short"),
        ("+91987654321098765", None, "too_long"),
        ("+912125550101999", None, "invalid_number"),
        ("+18005551234", None, "unwanted_type"),
    ],
)
def test_a_refused_number_says_why(raw: str | None, country: str | None, reason: str) -> None:
    assert parse_phone(raw, country, CALLABLE).reason == reason


@given(
    raw=st.one_of(
        st.text(alphabet="0123456789+- ().", max_size=18),
        st.from_regex(r"\+(91|1|44|971|65|39)[0-9]{6,12}", fullmatch=True),
    ),
    country=st.sampled_from([None, "IN", "US", "GB", "IT", "AR"]),
)
def test_every_accepted_number_is_the_one_phonenumbers_gives(raw: str, country: str | None) -> None:
    verdict = parse_phone(raw, country, PHONE_TYPES)
    if verdict.key is None:
        assert verdict.reason
        return
    repaired = raw.strip()
    if repaired.count(".") == 1 and len(repaired.partition(".")[0]) >= 7:
        repaired = re.sub(r"\.0+$", "", repaired)
    number = phonenumbers.parse(repaired, country)
    assert phonenumbers.is_valid_number(number)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    assert e164 == f"+{verdict.key}"


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_the_example_mobile_of_every_region_is_accepted(region: str) -> None:
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        return
    national = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for raw in (e164, national):
        assert f"+{parse_phone(raw, region, PHONE_TYPES).key}" == e164


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_a_number_is_accepted_exactly_when_phonenumbers_calls_it_valid(region: str) -> None:
    chance = random.Random(region)
    for kind in range(11):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for _ in range(5):
            place = chance.randrange(2, len(e164))
            raw = e164[:place] + str(chance.randrange(10)) + e164[place + 1 :]
            verdict = parse_phone(raw, region, PHONE_TYPES)
            try:
                number = phonenumbers.parse(raw)
            except phonenumbers.NumberParseException:
                assert verdict.key is None
                continue
            valid = phonenumbers.is_valid_number(number)
            wanted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert verdict.key == (int(wanted[1:]) if valid else None), raw


def test_a_column_keeps_its_length_and_order() -> None:
    raw = pa.array(["+919876543210", None, "9876543210", "+919876543210"])
    country = pa.array([None, None, "IN", " in "])
    table = normalise_phones(raw, country, default_country=None, allowed_types=CALLABLE)
    assert table["phone"].to_pylist() == ["+919876543210", None, "+919876543210", "+919876543210"]
    assert table["phone_key"].to_pylist()[0] == 919876543210
    assert table["reason"].to_pylist() == [None, "blank", None, None]


def test_an_empty_column_is_fine() -> None:
    empty = pa.array([], pa.string())
    assert normalise_phones(empty, None, default_country="IN", allowed_types=CALLABLE).num_rows == 0


def test_a_number_of_no_country_has_none() -> None:
    verdict = parse_phone("+80012345678", None, PHONE_TYPES)
    assert (verdict.key, verdict.country) == (80012345678, None)
