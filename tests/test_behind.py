"""Work is done in order, behind whoever gives it; what it raises comes to them."""

import threading
from functools import partial

import pytest

from dialnexa_pipeline.behind import Behind, work_behind


def test_work_goes_on_beside_the_block_and_is_done_when_it_has_ended() -> None:
    done: list[int] = []
    may_end = threading.Event()

    def work(number: int) -> None:
        assert may_end.wait(10)
        done.append(number)

    with work_behind(name="test") as behind:
        behind.do(partial(work, 0))
        assert done == []
        may_end.set()
        for number in range(1, 5):
            behind.do(partial(work, number))
            assert done[:number] == list(range(number))
    assert done == [0, 1, 2, 3, 4]


def test_as_much_work_waits_as_was_said() -> None:
    done: list[int] = []
    may_end = threading.Event()

    def work(number: int) -> None:
        assert may_end.wait(10)
        done.append(number)

    with work_behind(name="test", waiting=2) as behind:
        for number in range(3):
            behind.do(partial(work, number))
        assert done == []
        may_end.set()
        behind.do(partial(work, 3))
        assert done[:1] == [0]
        behind.wait()
        assert done == [0, 1, 2, 3]


def break_off() -> None:
    raise ValueError("broken")


def give(behind: Behind) -> None:
    behind.do(break_off)
    behind.do(lambda: None)


def test_an_error_comes_with_the_next_work_or_at_the_end() -> None:
    with work_behind(name="test") as behind, pytest.raises(ValueError, match="broken"):
        give(behind)
    with pytest.raises(ValueError, match="broken"), work_behind(name="test") as behind:
        behind.do(break_off)


def both_break() -> None:
    with work_behind(name="left") as behind:
        behind.do(break_off)
        raise KeyError("mine")


def test_an_error_of_the_block_is_the_one_that_comes_out_and_no_thread_is_left() -> None:
    with pytest.raises(KeyError, match="mine"):
        both_break()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("left")]
