"""The sentences of alerts: what, where, how many, why, and the command that mends it."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from dialnexa_pipeline.alerts.config import AlertsConfig
from dialnexa_pipeline.alerts.facts import EndedRun
from dialnexa_pipeline.alerts.memory import Subject
from dialnexa_pipeline.alerts.messages import Item, Message, without_numbers
from dialnexa_pipeline.ledger import Doubt, HeldPlan, ReadyPlan, Stop

_MAX_ITEMS = 25


def alert_message(items: Sequence[Item]) -> Message:
    """What is due, as one message however much it is."""
    shown = tuple(items[:_MAX_ITEMS])
    left = len(items) - len(shown)
    if left:
        more = Item(f"And {left} more.", purpose="To see all that waits", command="dialnexa status")
        shown += (more,)
    others = f", and {len(items) - 1} more" if len(items) > 1 else ""
    return Message(f"DialNexa: {items[0].headline}{others}", shown)


def stop_item(config: AlertsConfig, stop: Stop) -> Item:
    """Who stopped what, when and why."""
    what = "Every sync" if stop.sync is None else f"Sync {stop.sync}"
    option = "" if stop.sync is None else f" --sync {stop.sync}"
    return Item(
        f"{what} was stopped by {without_numbers(stop.who)} at {_moment(config, stop.made_at)}: "
        f"{without_numbers(stop.why).rstrip('.')}. Nothing is sent until the stop is lifted.",
        headline=f"{what} is stopped",
        purpose="To lift it",
        command=f'dialnexa resume{option} --reason "…"',
    )


def held_item(config: AlertsConfig, held: HeldPlan) -> Item:
    """Which guard a plan breaks, and how to approve it once."""
    said, _, command = held.hold.why.partition(" To approve it once: ")
    where = _where(held.plan.sync, held.plan.partition_key)
    again = _launch(held.plan.sync, held.plan.partition_key)
    return Item(
        f"{where} is held: {said}",
        headline=f"{where} is held",
        purpose="If it is right, approve it once",
        command=f"{command} && {again}" if command else None,
        link=config.run_link(held.plan.run_id),
    )


def failed_item(config: AlertsConfig, run: EndedRun) -> Item:
    """Which run failed, when and why."""
    what = {
        "sync": "the run failed",
        "part": "a run that sends nothing failed",
        "reconcile": "the reconcile job failed",
    }[run.scope]
    where = _where(run.sync, run.partition_key)
    text = f"{where}: {what} at {_moment(config, run.ended_at)}. {without_numbers(run.why)}"
    return Item(
        text.strip(),
        headline=f"{where}: {what}",
        purpose="Once that is mended, run it again; it calls nobody twice",
        command=_again(run),
        link=config.run_link(run.run_id),
    )


def doubt_item(config: AlertsConfig, doubts: Sequence[Doubt], now: datetime) -> Item:
    """How many leads of a sync and partition have no sure answer, and for how long."""
    oldest = min(doubts, key=lambda doubt: doubt.since)
    leads = _many(sum(doubt.rows for doubt in doubts), "lead", "leads")
    where = _where(oldest.sync, oldest.partition_key)
    is_held = all(doubt.is_held for doubt in doubts)
    fate = (
        "Two listings of the workflow lack them, and the sync holds such rows for a person."
        if is_held
        else "Nobody sends them again; the workflow's own list settles it."
    )
    text = (
        f"{where}: {_many(len(doubts), 'batch', 'batches')} with {leads} in doubt, the longest for "
        f"{_minutes(now, oldest.since)}. {fate}"
    )
    return Item(
        text,
        headline=f"{where}: {leads} in doubt",
        purpose="To let the next run send them" if is_held else "To look at that list now",
        command=f"dialnexa reconcile --sync {oldest.sync}{' --release' if is_held else ''}",
        link=config.run_link(oldest.run_id),
    )


def refused_item(config: AlertsConfig, plan: ReadyPlan) -> Item:
    """How many rows of a run were refused, by whom, against which threshold."""
    refused = plan.invalid + plan.rejected
    where = _where(plan.plan.sync, plan.plan.partition_key)
    share = f"{refused / plan.source_rows:.0%}"
    text = (
        f"{where}: {refused:,} of {plan.source_rows:,} rows are refused, {share}, more than "
        f"reject_rate = {config.reject_rate}: {plan.invalid:,} by screening, {plan.rejected:,} by "
        "DialNexa."
    )
    return Item(
        text,
        headline=f"{where}: {share} of the rows are refused",
        purpose="To see them and how to mend them",
        command=f"dialnexa rejected {plan.plan.sync}",
        link=config.run_link(plan.plan.run_id),
    )


def over_item(config: AlertsConfig, subject: Subject) -> Item:
    """That something which was told is over."""
    where = _where(subject.sync, subject.partition_key)
    said = {
        "sync_failed": "a later run succeeded.",
        "in_doubt": "no batch is in doubt any more.",
        "reject_rate": f"the newest run is within reject_rate = {config.reject_rate} again.",
        "guard_held": "no plan is held any more.",
        "stopped": "the stop is lifted.",
    }[subject.kind]
    settled = f"Settled, {where[0].lower()}{where[1:]}: {said}"
    return Item(settled, headline=settled.rstrip("."))


def _where(sync: str | None, partition_key: str) -> str:
    if sync is None:
        return "Every sync"
    return f"Sync {sync}, partition {partition_key}" if partition_key else f"Sync {sync}"


def _again(run: EndedRun) -> str | None:
    """How to run it again, which calls nobody twice; None for what is but a part of a sync."""
    if run.scope == "reconcile":
        return f"dialnexa reconcile --sync {run.sync}"
    if run.scope == "part":
        return None
    return _launch(run.sync, run.partition_key)


def _launch(sync: str, partition_key: str) -> str:
    start, _, end = partition_key.partition("...")
    if end:
        option = f" --partition-range {shlex.quote(partition_key)}"
    else:
        option = f" --partition {shlex.quote(start)}" if start else ""
    return f"dg launch --job {sync}{option}"


def _moment(config: AlertsConfig, moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo(config.zone)):%Y-%m-%d %H:%M} {config.zone}"


def _minutes(now: datetime, since: datetime) -> str:
    minutes = int((now - since).total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return _many(minutes, "minute", "minutes")
    if minutes < 48 * 60:
        return f"{minutes // 60} hours"
    return f"{minutes // (24 * 60)} days"


def _many(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
