"""Work done in another thread, a step or two behind whoever gives it."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager


class Behind:
    """Does one thing at a time; made by `work_behind`."""

    def __init__(self, thread: ThreadPoolExecutor, waiting: int) -> None:
        self._thread = thread
        self._waiting = waiting
        self._given: deque[Future[None]] = deque()

    def do(self, work: Callable[[], None]) -> None:
        """Have it done after what was given before; this waits while too much of that is left.

        Raises:
            BaseException: what was given before raised it.
        """
        while len(self._given) > self._waiting:
            self._given.popleft().result()
        self._given.append(self._thread.submit(work))

    def wait(self) -> None:
        """Return when everything given is done.

        Raises:
            BaseException: what was given before raised it.
        """
        while self._given:
            self._given.popleft().result()


@contextmanager
def work_behind(*, name: str, waiting: int = 0) -> Generator[Behind]:
    """While the block goes on, what it gives is done in a thread; all is done when it has ended.

    An error of the block comes out of it before one of the thread.

    Args:
        name: of the thread, for those who look into a process.
        waiting: how much may wait while something is done; of that, what comes after something that
            breaks is begun nevertheless.
    """
    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        behind = Behind(thread, waiting)
        yield behind
        behind.wait()
