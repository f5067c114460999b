"""`dialnexa stop` and `dialnexa resume`: halt every sender at its next batch, and let it go on."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.people import Reason, Who, signed
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json

if TYPE_CHECKING:
    from dialnexa_pipeline.ledger import Ledger

_Sync = Annotated[
    str | None,
    typer.Option("--sync", help="Only this sync; all by default.", autocompletion=complete_sync),
]


def stop(
    sync: _Sync = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")] = "",
    who: Who = None,
    status: Annotated[bool, typer.Option("--status", help="Show what is stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Let no sender take another batch, in any process; a batch under way is finished."""
    with Sentences(), _opened() as ledger:
        if not status:
            name, why = signed(who, reason)
            ledger.switches.stop(sync=sync, who=name, why=why)
        if as_json:
            print_json([asdict(each) for each in ledger.switches.standing()])
            return
        if not status:
            _warn_of_unknown(ledger, sync)
        _print_standing(ledger)


def resume(reason: Reason, sync: _Sync = None, who: Who = None) -> None:
    """Lift a stop: of every sync, or with --sync the one that named this sync."""
    name, why = signed(who, reason)
    with Sentences(), _opened() as ledger:
        lifted = ledger.switches.resume(sync=sync, who=name, why=why)
        scope = "for every sync" if sync is None else f"for sync {sync!r}"
        said = "is lifted" if lifted else "did not stand, so nothing changed"
        console.print(f"The stop {scope} {said}.", highlight=False)
        if not lifted:
            _warn_of_unknown(ledger, sync)
        _print_standing(ledger)


def _opened() -> "Ledger":
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.settings import Settings

    return Ledger(Settings.from_environment().ledger_url)


def _warn_of_unknown(ledger: "Ledger", sync: str | None) -> None:
    if sync is not None and not ledger.switches.knows(sync):
        console.print(f"This ledger never planned a sync {sync!r}; check the name.")


def _print_standing(ledger: "Ledger") -> None:
    standing = ledger.switches.standing()
    for each in standing:
        console.print(each.sentence, highlight=False, markup=False)
    if not standing:
        console.print("Nothing is stopped; every sync may send.")
