"""`dialnexa records`: record tables rebuilt from the ledger, or held against it."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.progress import under_way
from dialnexa_pipeline.cli.sentences import EXIT_CODES, Json, Sentences, console, print_json
from dialnexa_pipeline.errors import ConfigError

records = typer.Typer(
    name="records",
    help="The record tables in the warehouse, which follow the ledger.",
    no_args_is_help=True,
)
_Sync = Annotated[
    str | None, typer.Option(help="Only this sync's rows.", autocompletion=complete_sync)
]


@records.command(epilog=EXIT_CODES)
def rebuild(sync: _Sync = None, as_json: Json = False) -> None:
    """Replace the record tables' rows by what the ledger says; nothing is sent."""
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.records import rebuild as rebuild_records
    from dialnexa_pipeline.settings import Settings

    written: dict[str, dict[str, int]] = {}
    with Sentences():
        settings = Settings.from_environment()
        with Ledger(settings.ledger_url) as ledger:
            for name in _known(ledger.accounts.syncs(), sync):
                with under_way(f"Rows of {name} written", quiet=as_json) as note:
                    written[name] = rebuild_records(
                        ledger, settings.warehouse_url, name, note_written=note
                    )
    found = [(name, table, rows) for name, of in written.items() for table, rows in of.items()]
    if as_json:
        print_json([{"sync": name, "table": table, "rows": rows} for name, table, rows in found])
        return
    shown = Table("sync", "table", "rows")
    for name, table, rows in found:
        shown.add_row(name, table, str(rows))
    console.print(shown)


@records.command(epilog=EXIT_CODES)
def compare(sync: _Sync = None, as_json: Json = False) -> None:
    """Tell where the record tables differ from the ledger; exit code 3 when they do."""
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.records import differences
    from dialnexa_pipeline.settings import Settings

    with Sentences():
        settings = Settings.from_environment()
        with Ledger(settings.ledger_url) as ledger:
            _known(ledger.accounts.syncs(), sync)
            with under_way("Comparing", quiet=as_json):
                found = differences(ledger, settings.warehouse_url, sync)
    if as_json:
        print_json([{"table": name, **asdict(one)} for name, one in found.items()])
    else:
        table = Table("table", "missing", "extra", "different")
        for name, one in found.items():
            table.add_row(name, str(one.missing), str(one.extra), str(one.different))
        console.print(table)
        if any(found.values()):
            console.print("`dialnexa records rebuild` makes the tables equal to the ledger.")
    if any(found.values()):
        raise typer.Exit(3)


def _known(syncs: list[str], asked: str | None) -> list[str]:
    if asked is None:
        return syncs
    if asked not in syncs:
        raise ConfigError(
            f"The ledger knows no sync {asked!r}; it knows {', '.join(syncs) or 'none'}."
        )
    return [asked]
