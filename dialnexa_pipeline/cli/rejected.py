"""`dialnexa rejected`: the rows that are not enrolled, on the screen or as a sheet to mend."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.progress import under_way
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json
from dialnexa_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dialnexa_pipeline.ledger import Ledger, RecordedRejection

_SAMPLE = 10


def rejected(
    sync: Annotated[
        str, typer.Argument(help="The sync whose rows are wanted.", autocompletion=complete_sync)
    ],
    xlsx: Annotated[
        Path | None,
        typer.Option(help="Write every row, unmasked, to this spreadsheet; every cell is text."),
    ] = None,
    project: Annotated[Path, typer.Option(help="Folder in which syncs are looked for.")] = Path(),
    as_json: Json = False,
) -> None:
    """Show which rows of a sync stand unenrolled and why, or write them to a sheet."""
    from dialnexa_pipeline.cli.rejected_sheet import write_sheet
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.settings import Settings

    counts: Counter[tuple[str, str]] = Counter()
    sample: list[RecordedRejection] = []
    with Sentences():
        if xlsx is not None and xlsx.suffix.lower() != ".xlsx":
            raise ConfigError(
                f"--xlsx writes a spreadsheet, and {xlsx} is not named as one; end its name in "
                ".xlsx."
            )
    with Sentences(), Ledger(Settings.from_environment().ledger_url) as ledger:
        known = ledger.accounts.syncs()
        if sync not in known:
            raise ConfigError(
                f"The ledger knows no sync {sync!r}; it knows {', '.join(known) or 'none'}."
            )
        for row in _standing(ledger, sync):
            counts[(row.outcome, row.reason)] += 1
            if len(sample) < _SAMPLE:
                sample.append(row)
        if xlsx is not None:
            with under_way("Rows", total=counts.total(), quiet=as_json) as written:
                rows = _noting(_standing(ledger, sync), written)
                write_sheet(xlsx, rows, counts.total(), _required(sync, project))
    if as_json:
        print_json(
            [
                {"outcome": outcome, "reason": reason, "leads": leads}
                for (outcome, reason), leads in counts.most_common()
            ]
        )
        return
    _print(sync, counts, sample)
    if xlsx is not None:
        console.print(
            f"{counts.total():,} rows, with their numbers, are in {escape(str(xlsx))}. Mend them "
            "at the source, and the next run reads them again; or in the sheet, and send it with "
            f"`dialnexa replay {sync} {escape(str(xlsx))}`.",
            highlight=False,
            soft_wrap=True,
        )


def _required(sync: str, project: Path) -> list[str]:
    """The sheet's columns for variables that may not be blank; none for a sync of another place."""
    from dialnexa_pipeline.project import find_syncs
    from dialnexa_pipeline.replaying import variable_columns

    configs = [found.config for found in find_syncs(project) if found.config is not None]
    return [
        column
        for config in configs
        if config.name == sync
        for column in variable_columns(config.required_variables)
    ]


def _standing(ledger: "Ledger", sync: str) -> "Iterator[RecordedRejection]":
    for piece in ledger.accounts.all_rejections(sync):
        yield from (row for row in piece if row.resolved_at is None)


def _noting(
    rows: "Iterator[RecordedRejection]", note: "Callable[[int], None]"
) -> "Iterator[RecordedRejection]":
    for number, row in enumerate(rows, start=1):
        yield row
        note(number)


def _print(sync: str, counts: Counter[tuple[str, str]], sample: "list[RecordedRejection]") -> None:
    from dialnexa_pipeline.enrolment import SampleRow
    from dialnexa_pipeline.leads import REASONS

    if not counts:
        console.print(f"No row of {sync} stands unenrolled.")
        return
    table = Table("leads", "outcome", "reason", "how to mend", title=f"{sync}: not enrolled")
    for (outcome, reason), leads in counts.most_common():
        table.add_row(f"{leads:,}", outcome, reason, REASONS.get(reason, ""))
    console.print(table)
    shown = Table("lead", "phone", "reason", "detail")
    for row in sample:
        masked = SampleRow.masked(row.lead_key, row.raw_phone, row.reason)
        shown.add_row(masked.lead_key, masked.raw_phone, row.reason, escape(row.detail or ""))
    console.print(shown)
