"""The digest: who was called, who was not, and why, of every sync in a period."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from dialnexa_pipeline.alerts.config import AlertsConfig
from dialnexa_pipeline.alerts.facts import EndedRun, LedgerFacts
from dialnexa_pipeline.alerts.messages import Item, Message
from dialnexa_pipeline.alerts.wording import doubt_item, held_item, stop_item
from dialnexa_pipeline.leads import OUTCOMES, REASONS
from dialnexa_pipeline.ledger import Account, Doubt, Ledger

_REASONS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Period:
    """From just after one digest to the moment of the next."""

    after: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class SyncDay:
    """What a sync did in a period.

    Attributes:
        plans: how many became ready.
        enrolled: leads whose enrolment became sure in the period, whichever run sent them.
        accounts: of the newest plan of each partition that became ready in the period.
    """

    sync: str
    plans: int
    enrolled: int
    accounts: tuple[Account, ...]
    failed_runs: tuple[EndedRun, ...] = field(default=())


def read_days(
    config: AlertsConfig, ledger: Ledger, period: Period, runs: Sequence[EndedRun]
) -> list[SyncDay]:
    """Every sync that is watched, by name, whether it did anything or not."""
    plans = ledger.watching.ready_plans(after=period.after, until=period.until)
    enrolled = ledger.watching.enrolled(after=period.after, until=period.until)
    failed = [run for run in runs if not run.succeeded]
    names = {*ledger.accounts.syncs(), *config.syncs, *(run.sync for run in failed)}
    days: list[SyncDay] = []
    for name in sorted(name for name in names if config.watches(name)):
        of_sync = [plan.plan for plan in plans if plan.plan.sync == name]
        newest = {plan.partition_key: plan.plan_id for plan in of_sync}
        days.append(
            SyncDay(
                name,
                len(of_sync),
                enrolled.get(name, 0),
                tuple(ledger.accounts.of_plan(plan_id) for plan_id in newest.values()),
                tuple(run for run in failed if run.sync == name),
            )
        )
    return days


def digest_message(
    config: AlertsConfig, days: Sequence[SyncDay], waiting: LedgerFacts, period: Period
) -> Message:
    """The digest of a period, with what waits for somebody now."""
    zone = ZoneInfo(config.zone)
    start, end = period.after.astimezone(zone), period.until.astimezone(zone)
    total = sum(day.enrolled for day in days)
    title = f"DialNexa digest: {total:,} leads enrolled"
    items = [Item(f"From {start:%a %d %b %H:%M} to {end:%a %d %b %H:%M}, {config.zone}.")]
    items += [_day_item(config, day) for day in days]
    if not days:
        items.append(Item("No sync has planned anything yet."))
    waits = list(_waiting_items(config, waiting, period.until))
    items.append(Item("Waiting for somebody:" if waits else "Nothing waits for anybody."))
    return Message(title, (*items, *waits))


def _day_item(config: AlertsConfig, day: SyncDay) -> Item:
    runs = len(day.failed_runs)
    failed = f", {runs} run{'s' if runs > 1 else ''} failed" if runs else ""
    link = config.run_link(day.failed_runs[-1].run_id) if day.failed_runs else None
    if not day.plans:
        what = "nothing was planned" if not day.failed_runs else f"no plan was made{failed}"
        more = f"; {day.enrolled:,} enrolled" if day.enrolled else ""
        return Item(f"Sync {day.sync}: {what}{more}.", link=link)
    rows = sum(account.source_rows for account in day.accounts)
    plans = f"{day.plans} plan{'s' if day.plans > 1 else ''}{failed}"
    return Item(
        f"Sync {day.sync}: {day.enrolled:,} enrolled; {plans}.",
        link=link,
        more=(f"Of {rows:,} source rows: {_outcomes(day.accounts)}.", *_reasons(day.accounts)),
    )


def _outcomes(accounts: Sequence[Account]) -> str:
    totals: Counter[str] = Counter()
    for account in accounts:
        totals.update(account.by_outcome())
    told = [f"{totals[name]:,} {name.replace('_', ' ')}" for name in OUTCOMES if totals[name]]
    return ", ".join(told) or "none"


def _reasons(accounts: Sequence[Account]) -> Iterator[str]:
    """The most frequent reasons of rows that are not enrolled, in words."""
    totals: Counter[str] = Counter()
    for account in accounts:
        for count in account.counts:
            if count.outcome != "enrolled":
                totals[count.reason] += count.leads
    ordered = sorted(totals.items(), key=lambda each: (-each[1], each[0]))
    for reason, leads in ordered[:_REASONS_SHOWN]:
        yield f"{leads:,} {reason}: {REASONS.get(reason, '')}"
    left = sum(leads for _, leads in ordered[_REASONS_SHOWN:])
    if left:
        yield f"{left:,} for other reasons."


def _waiting_items(config: AlertsConfig, waiting: LedgerFacts, now: datetime) -> Iterator[Item]:
    for stop in waiting.stops:
        if config.watches(stop.sync):
            yield stop_item(config, stop)
    for held in waiting.held:
        if config.watches(held.plan.sync):
            yield held_item(config, held)
    doubts: dict[tuple[str, str], list[Doubt]] = {}
    for doubt in waiting.doubts:
        if config.watches(doubt.sync):
            doubts.setdefault((doubt.sync, doubt.partition_key), []).append(doubt)
    for found in doubts.values():
        yield doubt_item(config, found, now)
