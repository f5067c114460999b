"""`dialnexa status` and `dialnexa batches`: where every sync stands, and what was sent."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.markup import escape

from dialnexa_pipeline.cli.completing import complete_state, complete_sync
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json
from dialnexa_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from dialnexa_pipeline.ledger import Plan, UnsentLeads

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
        unsent = ledger.watching.unsent()
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
        waiting.append(f"{_named(each.plan)} is held: {each.hold.why}")
    held_plans = {each.plan.plan_id for each in held}
    waiting += [
        sentence
        for each in unsent
        if each.plan.plan_id not in held_plans
        for sentence in _unsent(each)
    ]
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


def _named(plan: "Plan") -> str:
    return f"Sync {plan.sync}" + (f", partition {plan.partition_key}" if plan.partition_key else "")


def _unsent(left: "UnsentLeads") -> Iterator[str]:
    """Which leads no run sends unless it is asked for: runs of other partitions do not."""
    from dialnexa_pipeline.ledger import REPLAY

    plan, named = left.plan, _named(left.plan)
    is_sheet = plan.partition_key == REPLAY
    sheet = f"the same `dialnexa replay {plan.sync} SHEET` again" if is_sheet else ""
    if left.planned:
        do = sheet or f"materialising {plan.sync}/enrolments" + (
            " of that partition" if plan.partition_key else ""
        )
        yield f"{named}: {left.planned:,} leads are planned and not sent; {do} sends them."
    if left.again:
        do = sheet or f"`{_launch(plan)}`"
        yield (
            f"{named}: the call for {left.again:,} leads was refused, or DialNexa never received "
            f"them; once the cause is mended, {do} sends them."
        )


def _launch(plan: "Plan") -> str:
    option = "--partition-range" if "..." in plan.partition_key else "--partition"
    asked = f" {option} {shlex.quote(plan.partition_key)}" if plan.partition_key else ""
    return f"dg launch --job {plan.sync}{asked}"


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
