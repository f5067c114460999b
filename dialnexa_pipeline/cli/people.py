"""Who decided and why: the options of every command that writes a person's word."""

import getpass
from typing import Annotated

import typer

Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the ledger.")]
Who = Annotated[
    str | None, typer.Option("--who", help="Who decides; the user of this machine by default.")
]


def signed(who: str | None, reason: str) -> tuple[str, str]:
    """Name and reason as the ledger keeps them; phone numbers in them are masked."""
    from dialnexa_pipeline.masking import mask_phones_in

    why = mask_phones_in(reason).strip().rstrip(".")
    if not why:
        raise typer.BadParameter("say why in a few words", param_hint="--reason")
    return user_of(who), why


def user_of(who: str | None) -> str:
    """Who decides, as the ledger keeps it."""
    from dialnexa_pipeline.masking import mask_phones_in

    return mask_phones_in(who or _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user id without a name.
        return "unknown"
