"""`dialnexa reconcile`: settle what is in doubt, and say what still waits."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.progress import under_way
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json

if TYPE_CHECKING:
    from dialnexa_pipeline.enrolment import SettledBatch
    from dialnexa_pipeline.settings import Settings

_WAITING = 3


def reconcile(
    sync: Annotated[
        str | None, typer.Option(help="Only this sync's batches.", autocompletion=complete_sync)
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Let held rows that are proved absent be sent again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Settle batches in doubt by listing their workflows; nothing is sent."""
    from dialnexa_pipeline.settings import Settings

    with Sentences():
        settings = Settings.from_environment()
        with under_way("Leads listed", quiet=as_json) as listed:
            settled = _settle(settings, sync, listed, release=release)
    if as_json:
        print_json([asdict(batch) for batch in settled])
    else:
        _print(settled, settings)
    if any(batch.problem is not None for batch in settled):
        raise typer.Exit(1)
    if any(batch.waiting or batch.held for batch in settled):
        raise typer.Exit(_WAITING)


def _settle(
    settings: "Settings", sync: str | None, listed: Callable[[int], None], *, release: bool
) -> "list[SettledBatch]":
    """Reconcile, and let the record tables follow."""
    from dialnexa_pipeline.connecting import open_client
    from dialnexa_pipeline.enrolment import reconcile as settle_doubts
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.records import record_counts, record_enrolments, record_rejected_rows

    with (
        Ledger(settings.ledger_url) as ledger,
        open_client(settings) as client,
    ):
        settled = settle_doubts(
            ledger,
            client,
            settle=settings.settle,
            confirm=settings.confirm,
            sync=sync,
            release=release,
            note_listed=listed,
        )
        for name in dict.fromkeys(batch.sync for batch in settled):
            record_enrolments(ledger, settings.warehouse_url, name)
            record_rejected_rows(ledger, settings.warehouse_url, name)
            record_counts(ledger, settings.warehouse_url, name)
    return settled


def _print(settled: "Sequence[SettledBatch]", settings: "Settings") -> None:
    if not settled:
        console.print("No batch is in doubt.")
        return
    table = Table("batch", "sync", "workflow", "enrolled", "absent", "still in doubt", "held")
    for batch in settled:
        table.add_row(
            batch.batch_id,
            batch.sync,
            batch.workflow_id,
            str(batch.enrolled),
            str(batch.absent),
            str(batch.waiting),
            str(batch.held),
        )
    console.print(table)
    waiting = sum(batch.waiting for batch in settled)
    if waiting:
        console.print(
            f"{waiting} rows are not listed yet. Absence counts only {settings.settle} after the "
            f"doubt arose and in two listings {settings.confirm} apart; run this again then."
        )
    held = sum(batch.held for batch in settled)
    if held:
        console.print(
            f"{held} rows are proved absent and wait for a person, because their sync says "
            "in_doubt: hold. `dialnexa reconcile --release` lets the next run send them."
        )
    for problem in dict.fromkeys(batch.problem for batch in settled):
        if problem is not None:
            console.print(f"[red]{escape(problem)}[/red]", highlight=False)
