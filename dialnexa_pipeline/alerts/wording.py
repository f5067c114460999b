"""The sentences of alerts: what, where, how many, why, and the command that mends it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
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
        shown += (Item(f"and {left} more; see all that waits:", command="dialnexa status"),)
    title = items[0].text.split(": ", 1)[0] if len(items) == 1 else f"{len(items)} alerts"
    return Message(f"DialNexa: {title}", shown)


def stop_item(stop: Stop) -> Item:
    """Who stopped what, when and why."""
    masked = replace(stop, who=without_numbers(stop.who), why=without_numbers(stop.why))
    said, _, command = masked.sentence.partition(" To lift it: ")
    return Item(f"Stop switch: {said}", command=command)


def held_item(config: AlertsConfig, held: HeldPlan) -> Item:
    """Which guard a plan breaks, and how to approve it once."""
    said, _, command = held.hold.why.partition(" To approve it once: ")
    text = f"{_where(held.plan.sync, held.plan.partition_key)} is held: {said}"
    return Item(text, command or None, config.run_link(held.plan.run_id))


def failed_item(config: AlertsConfig, run: EndedRun) -> Item:
    """Which run failed, when and why."""
    what = {
        "sync": "the run failed",
        "part": "a run that sends nothing failed",
        "reconcile": "the reconcile job failed",
    }[run.scope]
    text = (
        f"{_where(run.sync, run.partition_key)}: {what} at {_moment(config, run.ended_at)}. "
        f"{without_numbers(run.why)}"
    )
    return Item(text.strip(), _again(run), config.run_link(run.run_id))


def doubt_item(config: AlertsConfig, doubts: Sequence[Doubt], now: datetime) -> Item:
    """How many leads of a sync and partition have no sure answer, and for how long."""
    oldest = min(doubts, key=lambda doubt: doubt.since)
    rows = sum(doubt.rows for doubt in doubts)
    is_held = all(doubt.is_held for doubt in doubts)
    fate = (
        "Two listings of the workflow lack them, and the sync holds such rows for a person."
        if is_held
        else "Nobody sends them again; the workflow's own list settles it."
    )
    text = (
        f"{_where(oldest.sync, oldest.partition_key)}: {_many(len(doubts), 'batch', 'batches')} "
        f"with {_many(rows, 'lead', 'leads')} in doubt, the longest for "
        f"{_minutes(now, oldest.since)}. {fate}"
    )
    command = f"dialnexa reconcile --sync {oldest.sync}{' --release' if is_held else ''}"
    return Item(text, command, config.run_link(oldest.run_id))


def refused_item(config: AlertsConfig, plan: ReadyPlan) -> Item:
    """How many rows of a run were refused, by whom, against which threshold."""
    refused = plan.invalid + plan.rejected
    text = (
        f"{_where(plan.plan.sync, plan.plan.partition_key)}: {refused:,} of {plan.source_rows:,} "
        f"rows are refused, {refused / plan.source_rows:.0%}, more than "
        f"reject_rate = {config.reject_rate}: {plan.invalid:,} by screening, {plan.rejected:,} by "
        "DialNexa."
    )
    return Item(text, f"dialnexa rejected {plan.plan.sync}", config.run_link(plan.plan.run_id))


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
    return Item(f"Settled, {where[0].lower()}{where[1:]}: {said}")


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
    start, _, end = run.partition_key.partition("...")
    if end:
        option = f" --partition-range {shlex.quote(run.partition_key)}"
    else:
        option = f" --partition {shlex.quote(start)}" if start else ""
    return f"dg launch --job {run.sync}{option}"


def _moment(config: AlertsConfig, moment: datetime) -> str:
    return f"{moment.astimezone(ZoneInfo(config.zone)):%Y-%m-%d %H:%M} {config.zone}"


def _minutes(now: datetime, since: datetime) -> str:
    minutes = int((now - since).total_seconds() // 60)
    if minutes < 120:
        return _many(minutes, "minute", "minutes")
    if minutes < 48 * 60:
        return f"{minutes // 60} hours"
    return f"{minutes // (24 * 60)} days"


def _many(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
