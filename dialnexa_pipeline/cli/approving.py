"""`dialnexa approve`: let a plan that a guard holds through, once."""

from typing import Annotated

import typer

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.people import Reason, Who, signed
from dialnexa_pipeline.cli.sentences import Sentences, console


def approve(
    sync: Annotated[
        str, typer.Argument(help="The sync whose plan a guard holds.", autocompletion=complete_sync)
    ],
    reason: Reason,
    partition: Annotated[str, typer.Option(help="Its partition, if the sync has any.")] = "",
    who: Who = None,
) -> None:
    """Let the plan that a guard holds be sent once, or one newer plan of no more leads."""
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.settings import Settings

    name, why = signed(who, reason)
    with Sentences(), Ledger(Settings.from_environment().ledger_url) as ledger:
        approval = ledger.approvals.approve(sync=sync, partition_key=partition, who=name, why=why)
    console.print(
        f"Approved by {approval.who}: {approval.leads} leads of sync {sync}"
        f"{', partition ' + partition if partition else ''}. Materialise {sync}/enrolments to "
        f"send them, or run the job {sync} again: one plan of at most {approval.leads} leads "
        "passes the guard.",
        highlight=False,
    )
