"""The tables decide what `phonenumbers` decides, and are given up when they do not."""

import itertools
import re

import numpy as np
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata

from benchmarks import phone_exactness as exactness
from dialnexa_pipeline.phones import PHONE_TYPES, normalise_phones
from dialnexa_pipeline.phones.columns import READER, PhoneTablesWrong
from dialnexa_pipeline.phones.digits import read_plain_numbers
from dialnexa_pipeline.phones.machine import END, Machine
from dialnexa_pipeline.phones.plans import UNDECIDED_PLAN
from dialnexa_pipeline.phones.positions import Positions, UnknownPattern
from dialnexa_pipeline.phones.prefixes import UNDECIDED, add_prefix_rule
from dialnexa_pipeline.phones.verdicts import Judgement

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    READER.compile_everything()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("corpus", ["examples", "random", "region sweep"])
def test_no_verdict_differs(corpus: str, seed: int) -> None:
    cases = exactness.corpora(0.01, seed)[corpus]()
    assert exactness.differences(list(cases)) == []


@given(
    texts=st.lists(
        st.one_of(
            st.text(alphabet="'+0123456789.0 -()=e", max_size=16),
            st.builds(
                "{}{}{}".format,
                st.sampled_from(["", "'", "' ", "''", "'=", "'-", "'("]),
                st.sampled_from(
                    ["+919876543210", "9876543210", "98765 43210", "12345", "2125550142"]
                ),
                st.sampled_from(["", ".", ".0", ".00", ".0 ", ".5", ".0'", ".01", "0.0.0"]),
            ),
        ),
        max_size=20,
    ),
    region=st.sampled_from(["IN", "US", "IT", ""]),
)
def test_what_a_spreadsheet_damaged_is_mended_in_columns_as_one_by_one(
    texts: list[str], region: str
) -> None:
    assert exactness.differences([(text, region) for text in ["98765 43210", *texts]]) == []


def test_no_verdict_differs_after_any_transition() -> None:
    every_tenth = itertools.islice(exactness.transition_cover(), 3, None, 10)
    assert exactness.differences(list(every_tenth)) == []


def test_the_tables_decide_nearly_every_plainly_written_example() -> None:
    numbers = [
        phonenumbers.example_number_for_type(region, kind) for region in REGIONS for kind in (0, 1)
    ]
    texts = [
        f"+{n.country_code}{phonenumbers.national_significant_number(n)}" for n in numbers if n
    ]
    plain = read_plain_numbers(pa.array(texts))
    assert len(plain.rows) == len(texts)
    reading = READER.read(plain.digits, plain.has_plus, np.full(len(texts), -1))
    decided = np.count_nonzero(reading.plan != UNDECIDED_PLAN)
    assert decided > 0.99 * len(texts)


PATTERNS = sorted(
    {
        description.national_number_pattern
        for region in REGIONS
        for kind in ("general_desc", "mobile", "fixed_line")
        if (metadata := PhoneMetadata.metadata_for_region(region, None)) is not None
        and (description := getattr(metadata, kind)) is not None
        and description.national_number_pattern
    }
)
DIGITS = st.text("0123456789", max_size=14)


@given(pattern=st.sampled_from(PATTERNS), data=st.data())
def test_positions_match_what_the_pattern_matches(pattern: str, data: st.DataObject) -> None:
    text = data.draw(st.one_of(DIGITS, st.from_regex(pattern, fullmatch=True)))
    positions = Positions()
    whole = positions.add(pattern)
    state = None
    for digit in text:
        following = whole.first if state is None else positions.after(state)
        state = following & positions.takes[int(digit)]
    matches = whole.is_nullable if state is None else bool(state & whole.last)
    # `\d` of a drawn example may be a digit of another script.
    if text.isascii():
        assert matches == (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize("pattern", ["a", "[a-z]", "(?=1)2", "1+", "^1", "(?:x|1)"])
def test_a_pattern_of_another_kind_is_refused(pattern: str) -> None:
    with pytest.raises(UnknownPattern):
        Positions().add(pattern)


@given(
    pattern=st.sampled_from(
        ["0", "00|011", "0([3579]|4(?:4|56))?", "([2-9]\\d{3})$|1", "0?(1[1-3])?"]
    ),
    text=st.text("012345", min_size=1, max_size=7),
)
def test_a_prefix_is_as_long_as_a_matcher_finds_it_or_undecided(pattern: str, text: str) -> None:
    machine = Machine()
    start = add_prefix_rule(machine, pattern)
    columns = [np.array([int(digit)], np.uint8) for digit in text] + [np.array([END], np.uint8)]
    length = int(machine.run_until_decided(np.array([start], np.int32), columns)[0])
    found = re.match(pattern, text)
    assert length in {UNDECIDED, 0 if found is None else found.end()}
    assert length == int(machine.run(np.array([start], np.int32), columns)[0])


def test_a_table_that_is_wrong_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [Judgement("IN", "mobile") for _ in READER.plans.judgements]
    monkeypatch.setattr(READER.plans, "judgements", wrong)
    raw = pa.array(["2125550101"])
    with pytest.raises(PhoneTablesWrong, match="Nothing was planned or sent") as raised:
        normalise_phones(raw, None, default_country="US", allowed_types=PHONE_TYPES)
    assert "212555" not in str(raised.value)
