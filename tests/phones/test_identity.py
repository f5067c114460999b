"""Erased people are recognised by a keyed hash, and by their number in any spelling."""

import pytest

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.phones import PhoneHasher, SpelledPhones


def test_the_hash_is_an_hmac_of_the_e164_form_and_depends_on_the_key() -> None:
    # echo -n +919876543210 | openssl dgst -sha256 -hmac 0123…
    hasher = PhoneHasher("0123456789abcdef0123456789abcdef")
    assert hasher.hash(919876543210) == (
        "c7d1b4755ab3554d4fe826177377fbb4f3e38b70533f0d9cc81d3b45c083ba12"
    )
    other = PhoneHasher("fedcba9876543210fedcba9876543210")
    assert other.hash(919876543210) != hasher.hash(919876543210)
    assert other.key_id != hasher.key_id


@pytest.mark.parametrize(("key", "said"), [("", "not set"), ("k" * 31, "too short")])
def test_a_key_that_can_be_guessed_is_refused(key: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PhoneHasher(key)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("98765 43210", True),
        ("+91 (98765) 432-10 ext 4", True),
        ("٩٨٧٦٥٤٣٢١٠", True),
        ("98765 43211", False),
        ("", False),
        (None, False),
    ],
)
def test_a_number_is_found_in_any_spelling(text: str | None, found: bool) -> None:
    assert SpelledPhones([919876543210, 4915112345678]).are_in(text) is found
