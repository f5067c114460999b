"""What every command shares: where it prints, and errors as one sentence."""

import typer
from rich.console import Console

from dialnexa_pipeline.errors import DialNexaError

console = Console()


class Sentences:
    """Turn the package's errors into one printed sentence and exit code 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DialNexaError):
            Console(stderr=True).print(f"[red]{error}[/red]", highlight=False)
            raise typer.Exit(1) from None
