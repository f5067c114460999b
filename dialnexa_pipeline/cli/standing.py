"""`dialnexa status` and `dialnexa batches`: where every sync stands, and what was sent."""

from dataclasses import asdict
from typing import Annotated, get_args

import typer
from rich.markup import escape

from dialnexa_pipeline.cli.completing import complete_state, complete_sync
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json
from dialnexa_pipeline.errors import ConfigError

_MOMENT = "%Y-%m-%d %H:%M UTC"
_NEEDS_A_WORD = frozenset({"in_doubt", "failed"})


def status(as_json: Json = False) -> None:
    """Show each sync's newest run by outcome, and what waits; exit code 3 when something does."""
    from dialnexa_pipeline.leads import OUTCOMES
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.settings import Settings

    with Sentences(), Ledger(Settings.from_environment().ledger_url) as ledger:
        newest = ledger.histories.newest_plans()
        outcomes = [ledger.accounts.of_plan(each.plan.plan_id).by_outcome() for each in newest]
        doubtful = ledger.doubts.batches()
        held = ledger.approvals.held()
        stops = ledger.switches.standing()
    waiting = [
        f"Batch {batch.batch_id} of sync {batch.sync} is in doubt: {batch.row_count} rows in "
        f"{batch.workflow_id}. "
        + (
            "What the workflow lacks of them is held for a person: `dialnexa reconcile --release` "
            "lets the next run send it."
            if batch.is_held
            else "`dialnexa reconcile` settles it."
        )
        for batch in doubtful
    ]
    for each in held:
        partition = f", partition {each.plan.partition_key}" if each.plan.partition_key else ""
        waiting.append(f"Sync {each.plan.sync}{partition} is held: {each.hold.why}")
    waiting += [f"{stop.sentence}." for stop in stops]
    if as_json:
        print_json(
            {
                "syncs": [
                    {**asdict(each.plan), "ready_at": each.ready_at.isoformat()}
                    | {"source_rows": each.source_rows, "outcomes": counts}
                    for each, counts in zip(newest, outcomes, strict=True)
                ],
                "waiting": waiting,
            }
        )
    else:
        for each, counts in zip(newest, outcomes, strict=True):
            partition = f", partition {each.plan.partition_key}" if each.plan.partition_key else ""
            told = [f"{counts[name]:,} {name}" for name in OUTCOMES if counts.get(name)]
            console.print(
                f"[bold]{each.plan.sync}[/bold]{partition}, newest run {each.ready_at:{_MOMENT}}: "
                f"{each.source_rows:,} source rows: {', '.join(told) or 'none'}.",
                highlight=False,
                soft_wrap=True,
            )
        if not newest:
            console.print("The ledger has no run yet.")
        for sentence in waiting:
            console.print(f"• {escape(sentence)}", highlight=False, soft_wrap=True)
        if newest and not waiting:
            console.print("Nothing waits for anybody.")
    if waiting:
        raise typer.Exit(3)


def batches(
    sync: Annotated[
        str | None, typer.Option(help="Only this sync's.", autocompletion=complete_sync)
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only those in this state.", autocompletion=complete_state)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List batches: one file, one request, one workflow each."""
    from dialnexa_pipeline.ledger import BatchState, Ledger
    from dialnexa_pipeline.settings import Settings

    with Sentences():
        states = get_args(BatchState)
        if state is not None and state not in states:
            raise ConfigError(f"There is no batch state {state!r}; choose {', '.join(states)}.")
        with Ledger(Settings.from_environment().ledger_url) as ledger:
            found = ledger.histories.batches(sync=sync, state=state, limit=limit)
    if as_json:
        print_json([asdict(batch) for batch in found])
        return
    for batch in found:
        partition = f" {batch.partition_key}" if batch.partition_key else ""
        sent = f", sent {batch.sent_at:{_MOMENT}}" if batch.sent_at is not None else ""
        said = f". {batch.detail}" if batch.state in _NEEDS_A_WORD and batch.detail else ""
        console.print(
            escape(
                f"{batch.batch_id} {batch.sync}{partition} → {batch.workflow_id}: {batch.state}, "
                f"{batch.row_count:,} leads{sent}{said}"
            ),
            highlight=False,
            soft_wrap=True,
        )
    if not found:
        console.print("There is no such batch.")
