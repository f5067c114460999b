"""Work done in another thread, one step behind whoever gives it."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager


class Behind:
    """Does one thing at a time; made by `one_behind`."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread
        self._under_way: Future[None] | None = None

    def do(self, work: Callable[[], None]) -> None:
        """Begin it as soon as what was given before is done, for which this waits.

        Raises:
            BaseException: what was given before raised it.
        """
        self.wait()
        self._under_way = self._thread.submit(work)

    def wait(self) -> None:
        """Return when everything given is done.

        Raises:
            BaseException: what was given last raised it.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()


@contextmanager
def one_behind(*, name: str) -> Generator[Behind]:
    """While the block goes on, what it gives is done in a thread; all is done when it has ended.

    An error of the block comes out of it before one of the thread.

    Args:
        name: of the thread, for those who look into a process.
    """
    with ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        behind = Behind(thread)
        yield behind
        behind.wait()
