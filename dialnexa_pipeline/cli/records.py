"""`dialnexa records`: record tables rebuilt from the ledger, or held against it."""

from typing import Annotated

import typer
from rich.table import Table

from dialnexa_pipeline.cli.sentences import Sentences, console
from dialnexa_pipeline.errors import ConfigError

records = typer.Typer(
    name="records",
    help="The record tables in the warehouse, which follow the ledger.",
    no_args_is_help=True,
)
_Sync = Annotated[str | None, typer.Option(help="Only this sync's rows.")]


@records.command()
def rebuild(sync: _Sync = None) -> None:
    """Replace the record tables' rows by what the ledger says; nothing is sent."""
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.records import rebuild as rebuild_records
    from dialnexa_pipeline.settings import Settings

    table = Table("sync", "table", "rows")
    with Sentences():
        settings = Settings.from_environment()
        with Ledger(settings.ledger_url) as ledger:
            for name in _known(ledger.accounts.syncs(), sync):
                written = rebuild_records(ledger, settings.warehouse_url, name)
                for record_table, rows in written.items():
                    table.add_row(name, record_table, str(rows))
    console.print(table)


@records.command()
def compare(sync: _Sync = None) -> None:
    """Tell where the record tables differ from the ledger; exit code 3 when they do."""
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.records import differences
    from dialnexa_pipeline.settings import Settings

    table = Table("table", "missing", "extra", "different")
    with Sentences():
        settings = Settings.from_environment()
        with Ledger(settings.ledger_url) as ledger:
            _known(ledger.accounts.syncs(), sync)
            found = differences(ledger, settings.warehouse_url, sync)
    for name, one in found.items():
        table.add_row(name, str(one.missing), str(one.extra), str(one.different))
    console.print(table)
    if any(found.values()):
        console.print("`dialnexa records rebuild` makes the tables equal to the ledger.")
        raise typer.Exit(3)


def _known(syncs: list[str], asked: str | None) -> list[str]:
    if asked is None:
        return syncs
    if asked not in syncs:
        raise ConfigError(
            f"The ledger knows no sync {asked!r}; it knows {', '.join(syncs) or 'none'}."
        )
    return [asked]
