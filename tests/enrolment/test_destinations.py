"""Which numbers the enabled network groups let nobody call."""

import pyarrow as pa
import pytest

from dialnexa_pipeline.api import NetworkGroup
from dialnexa_pipeline.enrolment import Destinations

BY_COUNTRY = "invalid/unsupported_destination_country"
BY_PREFIX = "invalid/unsupported_prefix"


def reason(prefixes: tuple[str, ...], phone: str, country: str | None) -> str | None:
    enabled = Destinations([NetworkGroup("IN", "India Mobile", "91", prefixes)], enforced=True)
    leads = pa.table(
        {"phone": pa.array([phone], pa.string()), "country": pa.array([country], pa.string())}
    )
    return enabled.reasons(leads).to_pylist()[0]


@pytest.mark.parametrize(
    ("prefixes", "phone", "country", "expected"),
    [
        (("98", "99"), "+919876543210", "IN", None),
        (("98", "99"), "+917876543210", "IN", BY_PREFIX),
        (("98", "99"), "+4915112345678", "DE", BY_COUNTRY),
        ((), "+917876543210", "IN", None),
        (("9198",), "+919876543210", "IN", None),
        (("+9198",), "+917876543210", "IN", BY_PREFIX),
        (("98xx",), "+917876543210", "IN", None),
        (("98",), "+8001234567", None, None),
    ],
)
def test_a_number_needs_an_enabled_country_and_a_listed_prefix(
    prefixes: tuple[str, ...], phone: str, country: str | None, expected: str | None
) -> None:
    assert reason(prefixes, phone, country) == expected


def test_without_any_enabled_country_nobody_may_be_called() -> None:
    leads = pa.table({"phone": ["+919876543210"], "country": ["IN"]})
    assert Destinations([], enforced=True).reasons(leads).to_pylist() == [BY_COUNTRY]


def test_two_groups_with_one_calling_code_are_told_apart_by_country() -> None:
    enabled = Destinations([NetworkGroup("US", "United States", "1", ("2",))], enforced=False)
    leads = pa.table({"phone": ["+12125550101", "+14165550101"], "country": ["US", "CA"]})
    assert enabled.reasons(leads).to_pylist() == [None, BY_COUNTRY]
