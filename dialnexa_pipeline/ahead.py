"""Items of an iterator made in another thread, one ahead of whoever takes them."""

from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Final, TypeVar

_Item = TypeVar("_Item")


class _End:
    """Comes after the last item."""


_END: Final = _End()


@contextmanager
def ahead(items: Generator[_Item], *, name: str) -> Generator[Iterator[_Item]]:
    """While one item is used in the block, the next is made in a thread.

    What making an item raises is raised where the item would have come. When the block ends, so do
    the thread, after the item that it is making, and the generator.

    Args:
        name: of the thread, for those who look into a process.
    """
    with closing(items), ThreadPoolExecutor(1, thread_name_prefix=name) as thread:
        yield _taken(items, thread)


def _taken(items: Generator[_Item], thread: ThreadPoolExecutor) -> Iterator[_Item]:
    def make() -> Future[_Item | _End]:
        return thread.submit(next, items, _END)

    coming = make()
    while not isinstance(item := coming.result(), _End):
        coming = make()
        yield item
