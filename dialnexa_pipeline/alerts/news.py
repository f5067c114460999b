"""Which alerts are due, and which are over: pure, of the facts and of what was told already.

A *state* (in doubt, held, stopped) stands in the ledger until somebody or something ends it, so it
is told whenever it is met first, and is over when it is gone. An *event* (a run failed, a plan had
too many refused rows) is told when it happens after the messenger began, and is over when a later
run of the same sync and partition did better.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from dialnexa_pipeline.alerts.config import AlertKind, AlertsConfig
from dialnexa_pipeline.alerts.facts import EndedRun, Facts
from dialnexa_pipeline.alerts.memory import Memory, Subject, forget_old
from dialnexa_pipeline.alerts.messages import Item
from dialnexa_pipeline.alerts.wording import (
    doubt_item,
    failed_item,
    held_item,
    over_item,
    refused_item,
    stop_item,
)
from dialnexa_pipeline.ledger import Doubt, ReadyPlan

# A share of fewer rows says nothing; the guard counts from as many.
_ROWS_FOR_A_RATE = 20
_STATES: frozenset[AlertKind] = frozenset({"in_doubt", "guard_held", "stopped"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong now, and since when its newest occurrence is."""

    subject: Subject
    occurred_at: datetime
    item: Item


@dataclass(frozen=True, slots=True)
class News:
    """What a messenger has to tell now, and what it remembers once it has told it."""

    troubles: tuple[Trouble, ...]
    over: tuple[Subject, ...]
    items: tuple[Item, ...]
    memory: Memory


def find_news(config: AlertsConfig, facts: Facts, memory: Memory) -> News:
    """What is due for a messenger, each occurrence once, and what it told that is over, once."""
    troubles = [
        trouble
        for trouble in _troubles(config, facts)
        if _is_watched(config, trouble.subject) and _is_new(trouble, memory)
    ]
    watched = {s: at for s, at in memory.told.items() if _is_watched(config, s)}
    ended = _ended_states(facts, watched) | _ended_events(config, facts, watched)
    over = [subject for subject in watched if subject in ended]
    told = {s: at for s, at in watched.items() if s not in ended}
    told |= {trouble.subject: trouble.occurred_at for trouble in troubles}
    items = [trouble.item for trouble in troubles]
    items += [over_item(config, subject) for subject in over]
    remembered = forget_old(Memory(memory.since, facts.now, told), facts.now)
    return News(tuple(troubles), tuple(over), tuple(items), remembered)


def _is_watched(config: AlertsConfig, subject: Subject) -> bool:
    return subject.kind in config.when and config.watches(subject.sync)


def _is_new(trouble: Trouble, memory: Memory) -> bool:
    told_at = memory.told.get(trouble.subject)
    if told_at is None and trouble.subject.kind not in _STATES:
        told_at = memory.since
    return told_at is None or trouble.occurred_at > told_at


def _troubles(config: AlertsConfig, facts: Facts) -> Iterator[Trouble]:
    for stop in facts.ledger.stops:
        yield Trouble(Subject("stopped", stop.sync), stop.made_at, stop_item(config, stop))
    for held in facts.ledger.held:
        subject = Subject("guard_held", held.plan.sync, held.plan.partition_key)
        yield Trouble(subject, held.planned_at, held_item(config, held))
    yield from _failed_runs(config, facts)
    yield from _long_doubts(config, facts)
    for subject, plan in _refused_plans(config, facts).items():
        yield Trouble(subject, plan.ready_at, refused_item(config, plan))


def _failed_runs(config: AlertsConfig, facts: Facts) -> Iterator[Trouble]:
    """Failed runs that no later run made good."""
    standing: dict[Subject, EndedRun] = {}
    for run in facts.runs:
        if run.succeeded:
            standing = {s: r for s, r in standing.items() if not _makes_good(run, s)}
        elif not (run.guard_held and "guard_held" in config.when):
            # What a guard held is told as such, with the command that approves it.
            standing[_run_subject(run)] = run
    for subject, run in standing.items():
        yield Trouble(subject, run.ended_at, failed_item(config, run))


def _run_subject(run: EndedRun) -> Subject:
    return Subject("sync_failed", run.sync, run.partition_key, run.scope)


def _makes_good(run: EndedRun, subject: Subject) -> bool:
    """Whether a run that succeeded mends a failure: a preview makes no failed sending good."""
    same = (run.sync, run.partition_key) == (subject.sync, subject.partition_key)
    return same and (
        run.scope == subject.scope or (run.scope == "sync" and subject.scope == "part")
    )


def _long_doubts(config: AlertsConfig, facts: Facts) -> Iterator[Trouble]:
    """A sync and partition is told again when another of its batches is in doubt for as long."""
    longest = facts.now - timedelta(minutes=config.in_doubt_minutes)
    found: dict[Subject, list[Doubt]] = {}
    for doubt in facts.ledger.doubts:
        if doubt.since <= longest:
            found.setdefault(_doubt_subject(doubt), []).append(doubt)
    for subject, doubts in found.items():
        newest = max(doubt.since for doubt in doubts)
        yield Trouble(subject, newest, doubt_item(config, doubts, facts.now))


def _doubt_subject(doubt: Doubt) -> Subject:
    return Subject("in_doubt", doubt.sync, doubt.partition_key)


def _refused_plans(config: AlertsConfig, facts: Facts) -> dict[Subject, ReadyPlan]:
    """The newest plan of each sync and partition, where too many of its rows were refused."""
    newest = {_rate_subject(plan): plan for plan in facts.ledger.plans}
    return {s: plan for s, plan in newest.items() if _is_refused_too_much(config, plan)}


def _rate_subject(plan: ReadyPlan) -> Subject:
    return Subject("reject_rate", plan.plan.sync, plan.plan.partition_key)


def _is_refused_too_much(config: AlertsConfig, plan: ReadyPlan) -> bool:
    refused = plan.invalid + plan.rejected
    return plan.source_rows >= _ROWS_FOR_A_RATE and refused > config.reject_rate * plan.source_rows


def _ended_states(facts: Facts, told: Mapping[Subject, datetime]) -> set[Subject]:
    # A batch in doubt for a moment only keeps the older ones' subject alive.
    standing = {_doubt_subject(doubt) for doubt in facts.ledger.doubts}
    standing |= {Subject("stopped", stop.sync) for stop in facts.ledger.stops}
    standing |= {
        Subject("guard_held", held.plan.sync, held.plan.partition_key) for held in facts.ledger.held
    }
    return {subject for subject in told if subject.kind in _STATES and subject not in standing}


def _ended_events(
    config: AlertsConfig, facts: Facts, told: Mapping[Subject, datetime]
) -> set[Subject]:
    ended: set[Subject] = set()
    for subject, told_at in told.items():
        if subject.kind == "sync_failed":
            later = [run for run in facts.runs if run.ended_at > told_at]
            last = [
                run.succeeded
                for run in later
                if _run_subject(run) == subject or (run.succeeded and _makes_good(run, subject))
            ][-1:]
            if last == [True]:
                ended.add(subject)
        elif subject.kind == "reject_rate":
            later_plans = [
                plan
                for plan in facts.ledger.plans
                if plan.ready_at > told_at and _rate_subject(plan) == subject
            ]
            if later_plans and not _is_refused_too_much(config, later_plans[-1]):
                ended.add(subject)
    return ended
