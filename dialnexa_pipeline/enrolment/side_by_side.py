"""Several senders at once: told to the caller's thread, and ended together."""

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

Note = Callable[[str], None]
Task = Callable[[Note], None]
# An event of Dagster's takes 10 ms and more, and hundreds of batches may end in a second.
_PAUSE_SECONDS = 1.0


class Ending:
    """Whether a pass goes on, asked and told from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_come = False

    def come(self) -> None:
        """Nothing new is begun from now on."""
        with self._lock:
            self._has_come = True

    @contextmanager
    def going_on(self) -> Generator[bool]:
        """Whether the pass goes on; it does not end before the block does."""
        with self._lock:
            yield not self._has_come


@dataclass(frozen=True, slots=True)
class _Ended:
    """A thread has no more tasks, or one of them broke."""

    error: BaseException | None


def work_side_by_side(tasks: Sequence[Task], ending: Ending, *, at_once: int, note: Note) -> None:
    """Work on tasks in threads; each takes a function that tells a sentence.

    When a task raises, the pass ends: the others finish what they have begun, and the error is
    raised here. When this thread is interrupted the pass ends too, and what is under way is left
    behind: nobody waits for answers that may take minutes.

    Args:
        at_once: threads at most.
        note: called in this thread, whichever task tells the sentence; those told within a second
            come together, one a line.
    """
    waiting: SimpleQueue[Task] = SimpleQueue()
    for task in tasks:
        waiting.put(task)
    said: SimpleQueue[str | _Ended] = SimpleQueue()

    def work() -> None:
        error: BaseException | None = None
        try:
            while True:
                waiting.get_nowait()(said.put)
        except Empty:
            pass
        except BaseException as broken:
            error = broken
            ending.come()
        said.put(_Ended(error))

    threads = min(at_once, len(tasks))
    for number in range(threads):
        threading.Thread(target=work, name=f"sender-{number}", daemon=True).start()
    errors: list[BaseException] = []
    told: list[str] = []
    due = 0.0
    try:
        while threads:
            match _next(said, max(0.0, due - time.monotonic()) if told else None):
                case str(sentence):
                    told.append(sentence)
                case _Ended(error):
                    threads -= 1
                    if error is not None:
                        errors.append(error)
                case None:
                    pass
            if told and (time.monotonic() >= due or not threads):
                note("\n".join(told))
                told.clear()
                due = time.monotonic() + _PAUSE_SECONDS
    except BaseException:
        ending.come()
        raise
    if errors:
        raise errors[0]


def _next(said: SimpleQueue[str | _Ended], patience: float | None) -> str | _Ended | None:
    """What is said next; None when nothing is for `patience` seconds."""
    try:
        return said.get(timeout=patience)
    except Empty:
        return None
