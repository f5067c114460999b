"""Whoever reads a text sees no phone number in it."""

import pytest

from dialnexa_pipeline.masking import mask_phone, mask_phones_in


def test_a_masked_phone_shows_its_ends_only() -> None:
    assert mask_phone("+919876543210") == "+91******3210"
    assert mask_phone("12345") == "*****"
    assert mask_phone("98765432") == "****5432"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("call +91 (98765) 43210 now", "call +91**********3210 now"),
        ("call (022) 2345 6789 now", "call (022*******6789 now"),
        ("98765/43210 and 98765\u201343210", "987****3210 and 987****3210"),
        ("98765  43210", "987*****3210"),
        ("row 123456 of 2026", "row 123456 of 2026"),
        ("no lead has 98.765.432.10 here", "no lead has 98.******2.10 here"),
        ('server at "98.765.43210" is down', 'server at "98.*****3210" is down'),
        (
            'connection to server at "127.0.0.1", port 5999 failed: Connection refused',
            'connection to server at "127.0.0.1", port 5999 failed: Connection refused',
        ),
        (
            "Can't connect to MySQL server on '10.20.30.40' ([Errno 111] Connection refused)",
            "Can't connect to MySQL server on '10.20.30.40' ([Errno 111] Connection refused)",
        ),
    ],
)
def test_numbers_in_a_text_are_masked_and_the_address_of_a_server_is_not(
    said: str, shown: str
) -> None:
    assert mask_phones_in(said) == shown
