"""The next item is made while one is used; errors come where their item would have come."""

import threading
from collections.abc import Generator

import pytest

from dialnexa_pipeline.ahead import ahead


def test_items_come_in_order_each_made_before_the_one_before_is_done() -> None:
    made: list[int] = []
    second_is_made = threading.Event()

    def items() -> Generator[int]:
        for number in range(5):
            made.append(number)
            if number == 1:
                second_is_made.set()
            yield number

    used: list[int] = []
    with ahead(items(), name="test") as coming:
        for number in coming:
            assert second_is_made.wait(10)
            used.append(number)
            assert len(made) <= number + 2
    assert used == made == [0, 1, 2, 3, 4]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Generator[int]:
        yield 1
        raise ValueError("broken")

    used: list[int] = []
    with pytest.raises(ValueError, match="broken"), ahead(items(), name="test") as coming:
        used += coming
    with ahead(items(), name="test") as coming:
        used.append(next(coming))
        with pytest.raises(ValueError, match="broken"):
            next(coming)
    assert used == [1, 1]


def test_whoever_stops_early_leaves_no_thread_and_no_open_iterator() -> None:
    closed: list[bool] = []

    def items() -> Generator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(True)

    with ahead(items(), name="early") as coming:
        assert next(coming) == 0
    assert closed == [True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("early")]
