"""What a command shows while it works: a bar on a terminal, and nothing anywhere else."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(bar_width=24),
    TextColumn("{task.completed:,.0f}"),
    TimeElapsedColumn(),
)


@contextmanager
def under_way(
    what: str, *, total: int | None = None, quiet: bool = False
) -> Generator[Callable[[int], None]]:
    """Show that work is under way; the block tells how much of it is done.

    The bar is on standard error and goes when the block ends, so output stays what it is.

    Args:
        total: of what is counted; None where nobody knows it before.
        quiet: show nothing, as with --json.
    """
    watched = Console(stderr=True)
    if quiet or not watched.is_terminal:
        yield lambda _done: None
        return
    with Progress(*_COLUMNS, console=watched, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
