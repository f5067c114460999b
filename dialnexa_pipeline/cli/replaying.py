"""`dialnexa replay`: send the rows that somebody mended in the sheet of `dialnexa rejected`."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.people import Who, user_of
from dialnexa_pipeline.cli.progress import under_way
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json

if TYPE_CHECKING:
    from dialnexa_pipeline.api import DialNexaClient
    from dialnexa_pipeline.enrolment import Destinations
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.replaying import Mending, Replayed, Said
    from dialnexa_pipeline.settings import Settings
    from dialnexa_pipeline.sync import SyncConfig

_SHOWN = 10
_WAITING = 3
_Counts = Counter[tuple[str, str, str]]


def replay(
    *,
    sync: Annotated[
        str, typer.Argument(help="The sync whose rows were mended.", autocompletion=complete_sync)
    ],
    sheet: Annotated[Path, typer.Argument(help="The corrected sheet, .xlsx or .csv.")],
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; keep and send nothing.")
    ] = False,
    project: Annotated[Path, typer.Option(help="Folder in which syncs are looked for.")] = Path(),
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Send rows mended in the sheet of `rejected --xlsx`; exit code 3 when some are left out.

    Each row of the sheet is answered in a sentence.

    Later runs read what was mended in place of the source's values, until its row changes.
    """
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.project import sync_named
    from dialnexa_pipeline.settings import Settings

    if as_json and not yes and not dry_run:
        raise typer.BadParameter("--json cannot ask: give --yes or --dry-run", param_hint="--json")
    with Sentences():
        config = sync_named(sync, project)
        settings = Settings.from_environment()
        with Ledger(settings.ledger_url) as ledger:
            with under_way("Rows of the source read", quiet=as_json) as read:
                mending = _mend(config, sheet, settings, ledger, read)
            planned = _judge(config, mending, settings, ledger)
            calls = sum(leads for (_, outcome, _), leads in planned.items() if outcome == "planned")
            if not as_json:
                _print_preview(sync, mending.said, planned, calls)
            asks = calls > 0 and not dry_run
            if asks and not (yes or typer.confirm(f"Call {calls:,} people now?")):
                console.print("Nothing was sent, and nothing of the sheet is kept.")
                raise typer.Exit(_WAITING)
            sent = None
            if asks:
                with under_way("Batches settled", quiet=as_json) as settled:
                    sent = _send(
                        config, mending, settings, ledger, who=user_of(who), note_settled=settled
                    )
    if as_json:
        print_json(_document(sync, mending.said, planned, sent))
    elif sent is not None:
        _print_sent(sent)
    elif calls == 0:
        console.print("Nobody is to be called; nothing was sent.")
    raise typer.Exit(_exit_code(mending.said, sent))


def _mend(
    config: "SyncConfig",
    sheet: Path,
    settings: "Settings",
    ledger: "Ledger",
    note_read: Callable[[int], None],
) -> "Mending":
    from dialnexa_pipeline.replaying import mend, read_sheet
    from dialnexa_pipeline.sources import open_source

    source = open_source(
        config.source, warehouse_url=settings.warehouse_url, columns=config.source_columns
    )
    rows = read_sheet(sheet, config.variables)
    return mend(rows, config, source=source, ledger=ledger, note_read=note_read)


def _judge(
    config: "SyncConfig", mending: "Mending", settings: "Settings", ledger: "Ledger"
) -> _Counts:
    """(workflow, outcome, reason) → mended rows, as planning would decide now."""
    from dialnexa_pipeline.enrolment import ErasedPeople
    from dialnexa_pipeline.previewing import Judge

    erased = ErasedPeople.of(ledger, settings.erasure_key)
    judged = Judge(config, ledger, erased).judge(mending.leads)
    columns = [judged[name].to_pylist() for name in ("workflow_id", "outcome", "reason")]
    # A lead that is planned already stands in an earlier replay's batch, which this one replaces.
    return Counter(
        (workflow, outcome, "planned/not_sent" if outcome == "planned" else reason)
        for workflow, outcome, reason in zip(*columns, strict=True)
    )


def _send(
    config: "SyncConfig",
    mending: "Mending",
    settings: "Settings",
    ledger: "Ledger",
    *,
    who: str,
    note_settled: Callable[[int], None],
) -> "Replayed":
    from dialnexa_pipeline.components.checks import volume_guard
    from dialnexa_pipeline.connecting import open_client
    from dialnexa_pipeline.replaying import send_mended

    batches = count(1)
    with open_client(settings) as client:
        return send_mended(
            mending,
            config,
            settings=settings,
            ledger=ledger,
            client=client,
            who=who,
            guard=lambda account, recent: volume_guard(config, account, recent),
            destinations=_destinations(config, client),
            note=lambda _sentence: note_settled(next(batches)),
        )


def _destinations(config: "SyncConfig", client: "DialNexaClient") -> "Destinations | None":
    from dialnexa_pipeline.enrolment import Destinations
    from dialnexa_pipeline.errors import DialNexaError

    if config.preflight != "enforce":
        return None
    try:
        return Destinations(client.enabled_network_groups(), enforced=True)
    except DialNexaError as error:
        # As in a run of the sync: a look that fails holds nothing.
        console.print(f"The destinations could not be looked at: {escape(str(error))}")
        return None


def _print_preview(sync: str, said: "Sequence[Said]", planned: _Counts, calls: int) -> None:
    from dialnexa_pipeline.leads import REASONS

    for sentence in _sentences(said):
        console.print(escape(sentence), highlight=False, soft_wrap=True)
    if not planned:
        return
    table = Table("workflow", "outcome", "reason", "leads", "meaning", title=f"{sync}: mended rows")
    for (workflow, outcome, reason), leads in sorted(planned.items()):
        table.add_row(workflow, outcome, reason, f"{leads:,}", REASONS.get(reason, ""))
    console.print(table)
    console.print(f"{calls:,} people would be called.", highlight=False)


def _sentences(said: "Sequence[Said]") -> Iterator[str]:
    """Those of one verdict together, and no more than fit a screen."""
    for verdict in ("unchanged", "enrolled", "unknown", "waiting", "refused", "mended"):
        rows = [each for each in said if each.verdict == verdict]
        yield from (each.sentence for each in rows[:_SHOWN])
        if len(rows) > _SHOWN:
            yield f"… and {len(rows) - _SHOWN:,} rows more are {verdict}; --json names them all."


def _print_sent(sent: "Replayed") -> None:
    table = Table("workflow", "outcome", "reason", "leads", title="What became of them")
    for each in sorted(sent.account.counts, key=lambda c: (c.workflow_id, c.outcome)):
        table.add_row(each.workflow_id, each.outcome, each.reason, f"{each.leads:,}")
    console.print(table)
    for sentence in [
        *sent.left_out,
        *sent.problems,
        *([sent.paused] if sent.paused is not None else []),
    ]:
        console.print(escape(sentence), highlight=False, soft_wrap=True)
    console.print(
        "Later runs of the sync read the corrected values in place of the source's, until the "
        "source's row changes. Mend them there too.",
        soft_wrap=True,
    )


def _document(
    sync: str, said: "Sequence[Said]", planned: _Counts, sent: "Replayed | None"
) -> dict[str, object]:
    return {
        "sync": sync,
        "rows": [asdict(each) for each in said],
        "planned": [
            {"workflow_id": workflow, "outcome": outcome, "reason": reason, "leads": leads}
            for (workflow, outcome, reason), leads in sorted(planned.items())
        ],
        "sent": [asdict(each) for each in sent.account.counts] if sent is not None else None,
        "left_out": sent.left_out if sent is not None else [],
        "problems": sent.problems if sent is not None else [],
        "paused": sent.paused if sent is not None else None,
    }


def _exit_code(said: "Sequence[Said]", sent: "Replayed | None") -> int:
    if sent is not None and sent.problems:
        return 1
    left_out = any(each.verdict in {"refused", "unknown", "waiting"} for each in said) or (
        sent is not None and bool(sent.left_out)
    )
    unsettled = sent is not None and any(
        each.outcome not in {"enrolled", "duplicate"} for each in sent.account.counts
    )
    return _WAITING if left_out or unsettled else 0
