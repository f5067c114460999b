"""A schedule that is taken is one that Dagster takes, and a usual one is never refused."""

import pytest
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.cron import check_cron

NUMBER = st.integers(0, 62).map(str) | st.sampled_from(["mon", "Fri", "sun", "feb", "x", "l", "*"])
ITEM = st.one_of(
    NUMBER,
    st.tuples(NUMBER, NUMBER).map("-".join),
    st.tuples(NUMBER, st.integers(0, 9).map(str)).map("/".join),
    st.tuples(NUMBER, NUMBER, st.integers(0, 9).map(str)).map(lambda t: f"{t[0]}-{t[1]}/{t[2]}"),
    st.sampled_from(["?", "fri#2", "7#1", "5#6", "l5", "l", "h", "", "*/5", "*/0", "-1", "1-"]),
)
FIELD = st.just("*") | st.lists(ITEM, min_size=1, max_size=3).map(",".join)


def takes(text: str) -> bool:
    try:
        return check_cron(text) == text
    except ValueError:
        return False


@settings(max_examples=1_000, deadline=None)
@given(st.integers(0, 4), FIELD)
def test_dagster_takes_every_schedule_that_is_taken(place: int, field: str) -> None:
    fields = ["*"] * 5
    fields[place] = field
    text = " ".join(fields)
    assert is_valid_cron_string(text) or not takes(text), text


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from([(0, 0, 59), (1, 0, 23), (2, 1, 28), (3, 1, 12), (4, 0, 6)]))
def test_numbers_ranges_and_steps_within_a_field_are_taken(
    data: st.DataObject, field: tuple[int, int, int]
) -> None:
    place, low, high = field
    numbers = st.integers(low, high)
    items = st.one_of(
        numbers.map(str),
        st.tuples(numbers, numbers).map(lambda pair: f"{pair[0]}-{pair[1]}"),
        st.tuples(st.just("*") | numbers, st.integers(1, 9)).map(
            lambda pair: f"{pair[0]}/{pair[1]}"
        ),
    )
    fields = ["*"] * 5
    fields[place] = ",".join(data.draw(st.lists(items, min_size=1, max_size=3)))
    assert takes(" ".join(fields)), fields


@pytest.mark.parametrize(
    "text",
    ["0 9 * * 1-5", "*/15 8-18 * * mon-fri", "0 0 1,15 * *", "@daily", "0 22-6 * * *", "0 9 L * ?"],
)
def test_a_usual_schedule_is_taken(text: str) -> None:
    assert check_cron(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 9 * *", "has 4 of the five fields"),
        ("hourly", "has 1 of the five fields"),
        ("0 0 9 * * *", "has 6 of the five fields"),
        ("99 9 * * *", "its minute is not one"),
        ("0 25 * * *", "its hour is not one"),
        ("0 9 * * mondays", "its weekday is not one"),
        ("0 9 31 2 *", "never comes due"),
        ("0 9 31 4,jun *", "never comes due"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_field(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_cron(text)
