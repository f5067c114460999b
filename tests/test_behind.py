"""Work is done in order, behind whoever gives it; what it raises comes to them."""

import threading
from dataclasses import dataclass, field
from functools import partial

import pytest

from dialnexa_pipeline.behind import Behind, work_behind


@dataclass(frozen=True)
class Works:
    """Works with numbers, none of which ends before it may."""

    done: list[int] = field(default_factory=list[int])
    may_end: threading.Event = field(default_factory=threading.Event)

    def work(self, number: int) -> None:
        assert self.may_end.wait(10)
        self.done.append(number)


def test_work_goes_on_beside_the_block_and_is_done_when_it_has_ended() -> None:
    works = Works()
    with work_behind(name="test") as behind:
        behind.do(partial(works.work, 0))
        assert works.done == []
        works.may_end.set()
        for number in range(1, 5):
            behind.do(partial(works.work, number))
            assert works.done[:number] == list(range(number))
    assert works.done == [0, 1, 2, 3, 4]


def test_as_much_work_waits_as_was_said() -> None:
    works = Works()
    with work_behind(name="test", waiting=2) as behind:
        for number in range(3):
            behind.do(partial(works.work, number))
        assert works.done == []
        works.may_end.set()
        behind.do(partial(works.work, 3))
        assert works.done[:1] == [0]
        behind.wait()
        assert works.done == [0, 1, 2, 3]


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
