"""What every command shares: where it prints, and errors as one sentence."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dialnexa_pipeline.errors import DialNexaError

console = Console()

EXIT_CODES = (
    "Exit codes: 0 done; 1 an error, said in one sentence; 2 a wrong option; 3 something waits, "
    "differs or is not known."
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def print_json(document: Mapping[str, object] | Sequence[Mapping[str, object]]) -> None:
    """One JSON document on standard output; moments in ISO 8601."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


class Sentences:
    """Turn the package's errors into one printed sentence and exit code 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DialNexaError):
            Console(stderr=True).print(
                f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True
            )
            raise typer.Exit(1) from None
