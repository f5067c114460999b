"""Workflows are uploaded to side by side, and end together."""

import threading
import time
from collections.abc import Callable

import pytest

from dialnexa_pipeline.enrolment.side_by_side import Ending, Task, work_side_by_side


def tell(sentence: str, barrier: threading.Barrier | None = None) -> Task:
    def work(note: Callable[[str], None]) -> None:
        if barrier is not None:
            barrier.wait(10)
        note(sentence)

    return work


def test_tasks_run_at_the_same_time_and_are_told_in_the_callers_thread() -> None:
    barrier = threading.Barrier(3)
    told: list[tuple[str, str]] = []
    work_side_by_side(
        [tell(str(n), barrier) for n in range(3)],
        Ending(),
        at_once=3,
        note=lambda sentence: told.append((sentence, threading.current_thread().name)),
    )
    assert {thread for _, thread in told} == {threading.current_thread().name}
    lines = [line for sentences, _ in told for line in sentences.splitlines()]
    assert sorted(lines) == ["0", "1", "2"]


def test_sentences_told_within_a_second_come_together_and_none_is_lost() -> None:
    told: list[str] = []

    def talks(note: Callable[[str], None]) -> None:
        for number in range(200):
            note(f"Batch {number}.")

    work_side_by_side([talks, talks], Ending(), at_once=2, note=told.append)
    assert len(told) < 20
    lines = [line for sentences in told for line in sentences.splitlines()]
    assert sorted(lines) == sorted(2 * [f"Batch {number}." for number in range(200)])


def test_no_more_run_at_once_than_are_wanted() -> None:
    running: list[int] = []
    most: list[int] = []

    def work(_note: Callable[[str], None]) -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    work_side_by_side([work] * 6, Ending(), at_once=2, note=print)
    assert max(most) == 2


def test_an_error_ends_the_pass_and_lets_the_others_finish_what_they_began() -> None:
    ending = Ending()
    others_began, finished = threading.Event(), threading.Event()

    def breaks(_note: Callable[[str], None]) -> None:
        assert others_began.wait(10)
        raise ValueError("broken")

    def goes_on(_note: Callable[[str], None]) -> None:
        others_began.set()
        while True:
            with ending.going_on() as going:
                if not going:
                    break
            time.sleep(0.01)
        finished.set()

    with pytest.raises(ValueError, match="broken"):
        work_side_by_side([breaks, goes_on], ending, at_once=2, note=print)
    assert finished.is_set()


def test_an_interruption_waits_for_nobody() -> None:
    ending, release = Ending(), threading.Event()

    def waits(note: Callable[[str], None]) -> None:
        note("begun")
        release.wait(30)

    def interrupt(_sentence: str) -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work_side_by_side([waits], ending, at_once=1, note=interrupt)
    assert time.monotonic() - began < 5
    with ending.going_on() as going:
        assert not going
    release.set()
