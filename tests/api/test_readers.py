"""The readers of answers find every refused row and never blame or enrol another."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.api.reading import read_success
from dialnexa_pipeline.api.row_errors import read_row_errors

PHONES = [f"+91987654321{n}" for n in range(6)]
REASON = "Unsupported prefix"

SPELLINGS: list[Callable[[str], object]] = [
    lambda phone: phone,
    lambda phone: phone[1:],
    lambda phone: int(phone[1:]),
    lambda phone: phone[3:],
    lambda phone: "0" + phone[3:],
    lambda phone: f"{phone[:3]} {phone[3:8]} {phone[8:]}",
]

# The same refusal in every nesting that the vendor may choose, of any spelling of the phones.
NESTINGS: list[Callable[[list[object]], object]] = [
    lambda phones: {"errors": [{"reason": REASON, "rows": [{"phone_number": p} for p in phones]}]},
    lambda phones: {"message": {"groups": [{"error": REASON, "leads": phones}]}},
    lambda phones: {"errors": {REASON: phones}},
    lambda phones: {"errors": {"UNSUPPORTED_PREFIX": phones}},
    lambda phones: {"details": [{"phone": p, "failed_parsing_reason": REASON} for p in phones]},
    lambda phones: {"errors": {REASON: [{"phone_number": p, "position": 99} for p in phones]}},
    lambda phones: {"errors": [{"reason": REASON, "phone_numbers": phones}]},
    lambda phones: {"errors": [{"reason": REASON, "phone": phones}]},
    lambda phones: {
        "data": {"rowErrors": [{"row": {"phone": p}, "errors": [REASON]} for p in phones]}
    },
    lambda phones: {"response": {"invalidRows": [{"phone": p, "reason": REASON} for p in phones]}},
    lambda phones: [{"phone_number": p, "error": REASON} for p in phones],
]

# Nestings in sentences and keys, which hold the phones as they were sent.
TEXTS: list[Callable[[list[str]], object]] = [
    lambda phones: {"message": [f"{p}: {REASON}" for p in phones]},
    lambda phones: {"message": f"{REASON}: {', '.join(phones)}"},
    lambda phones: {"message": [f"Row 3 ({p[1:]}): {REASON}" for p in phones]},
    lambda phones: {"data": {"errors": dict.fromkeys(phones, REASON)}},
    lambda phones: {"errors": {p: [REASON] for p in phones}},
    lambda phones: {"errors": {p: {"reason": REASON} for p in phones}},
    lambda phones: {"errors": {p[1:]: [REASON] for p in phones}},
]
ENVELOPE = {"statusCode": 400, "message": "Lead validation failed", "error": "Bad Request"}
SOME = st.sets(st.integers(0, len(PHONES) - 1), min_size=1)


@given(st.sampled_from(NESTINGS), st.sampled_from(SPELLINGS), SOME, st.booleans())
def test_refused_rows_are_found_in_every_nesting_and_spelling(
    nesting: Callable[[list[object]], object],
    spelling: Callable[[str], object],
    bad: set[int],
    enveloped: bool,
) -> None:
    document = nesting([spelling(PHONES[n]) for n in sorted(bad)])
    if enveloped and isinstance(document, dict):
        document = {**ENVELOPE, **document}
    errors = read_row_errors(document, PHONES).errors
    assert [error.index for error in errors] == sorted(bad)
    assert {error.reason.lower() for error in errors} == {REASON.lower()}


@given(st.sampled_from(TEXTS), SOME)
def test_refused_rows_are_found_in_sentences_and_keys(
    nesting: Callable[[list[str]], object], bad: set[int]
) -> None:
    errors = read_row_errors(nesting([PHONES[n] for n in sorted(bad)]), PHONES).errors
    assert [error.index for error in errors] == sorted(bad)
    assert {error.reason for error in errors} == {REASON}


@given(SOME, st.integers(0, 2), st.data())
def test_positions_beside_phones_never_blame_another_row(
    bad: set[int], convention: int, data: st.DataObject
) -> None:
    named = data.draw(st.sets(st.sampled_from(sorted(bad))))
    entries = [
        {"position": n + convention, **({"phone_number": PHONES[n]} if n in named else {})}
        for n in sorted(bad)
    ]
    refused = read_row_errors({"errors": [{"reason": REASON, "rows": entries}]}, PHONES)
    assert {error.index for error in refused.errors} == (bad if named else set())
    bare = [] if named else [(n + convention, REASON) for n in sorted(bad)]
    assert [(error.position, error.reason) for error in refused.positions] == bare


NOISE = [
    {"validRows": [{"phone_number": PHONES[5]}]},
    {"summary": "Invalid rows: 2"},
    {"summary": {"prefixes": [91, 2, 1], "invalid_count": 2}},
    {"hint": {"Allowed rows": 2}},
    {"errors": [{"phone_number": "+14155550100", "position": 4, "reason": "not ours"}]},
    {"requestId": "req-9876543212-1", "timestamp": 1729384756},
]


@pytest.mark.parametrize("noise", NOISE)
def test_counts_prefixes_and_valid_rows_blame_nobody(noise: dict[str, object]) -> None:
    shown = {"phone_number": PHONES[0], "position": 1, "reason": REASON}
    errors = read_row_errors([shown, noise], PHONES).errors
    assert [error.index for error in errors] == [0]


def test_a_number_that_fits_two_rows_is_settled_by_its_position() -> None:
    rows = [
        "+919876543210",
        "+19876543210",
        "+911111111111",
    ]
    shown = {"phone_number": "+911111111111", "position": 3}
    vague = {"phone_number": "9876543210", "position": 2}
    errors = read_row_errors([{"reason": REASON, "rows": [shown, vague]}], rows).errors
    assert [error.index for error in errors] == [1, 2]
    refused = read_row_errors([{"reason": REASON, "rows": [vague]}], rows)
    assert (refused.errors, refused.positions, refused.unattributed) == ((), (), (REASON,))


def test_a_rows_own_words_are_its_detail() -> None:
    row = {"phone_number": PHONES[0], "failed_parsing_reason": "too short"}
    errors = read_row_errors({"errors": [{"reason": REASON, "rows": [row]}]}, PHONES).errors
    assert (errors[0].reason, errors[0].detail) == (REASON, "too short")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
)


@given(JSON, SOME)
def test_success_is_complete_only_when_every_row_is_accounted_for(
    extra: object, enrolled: set[int]
) -> None:
    body = {"data": {PHONES[n]: ["l"] for n in enrolled}, "extra": extra}
    accepted = read_success(json.dumps(body).encode(), PHONES)
    assert accepted is not None
    assert accepted.complete is (len(enrolled) == len(PHONES))
    assert accepted.enrolled_phones == {PHONES[n] for n in enrolled}


@given(JSON)
def test_no_document_breaks_the_readers(document: object) -> None:
    errors = read_row_errors(document, PHONES).errors
    assert errors == ()
    accepted = read_success(json.dumps(document).encode(), PHONES)
    assert accepted is None or not accepted.complete
