"""Mended rows through the steps of a run: staged, claimed, written, sent, recorded."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.enrolment import (
    BatchLimits,
    Destinations,
    SampleRow,
    activate_verified,
    lease_term,
    owe_activations,
    plan_leads,
    send_plan,
    stage_leads,
    staged_path,
)
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import REPLAY, Account, Hold, Ledger, Plan
from dialnexa_pipeline.records import record_counts, record_enrolments, record_rejected_rows
from dialnexa_pipeline.replaying.mending import Mending
from dialnexa_pipeline.replaying.standing import Standing
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.store import Store
from dialnexa_pipeline.sync import SyncConfig

_Guard = Callable[[Account, Sequence[int]], Hold | None]


class RunUnderWay(DialNexaError):
    """A run of the sync is planning at this moment, perhaps with the rows as they were."""


@dataclass(slots=True)
class Replayed:
    """What became of the mended rows: the plan's account, and sentences for people.

    Attributes:
        left_out: of leads that a run called, or is about to call, since the sheet was judged.
    """

    account: Account
    problems: list[str] = field(default_factory=list[str])
    paused: str | None = None
    left_out: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class _MendedRows:
    """The mended rows as a source."""

    rows: pa.RecordBatch
    description: str = "corrected sheet"

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield self.rows


def send_mended(
    mending: Mending,
    config: SyncConfig,
    *,
    settings: Settings,
    ledger: Ledger,
    client: DialNexaClient,
    who: str,
    guard: _Guard,
    destinations: Destinations | None,
    note: Callable[[str], None],
) -> Replayed:
    """Keep the corrections, then plan and send the mended rows as a run of the sync would.

    The plan has a partition of its own, so that it releases no claim of the sync's runs, and from
    the moment the corrections are kept every run reads the corrected values: killed anywhere, the
    next run or the same sheet goes on.

    Args:
        guard: judges the plan by its account and by the leads that recent runs sent.

    Raises:
        RunUnderWay: a run of the sync is planning; nothing was sent.
        PlanHeld: the guard holds the plan until somebody approves it.
    """
    left_out: dict[str, str] = {}
    # Somebody may have looked at the sheet for long, while runs went on.
    mending = _without_held(mending, ledger, config.name, left_out)
    before, _newest = ledger.corrections.of_sync(config.name)
    ledger.corrections.keep(config.name, mending.corrections, who=who)
    reach("replay.kept")
    if ledger.corrections.is_planning(config.name):
        raise RunUnderWay(
            f"A run of sync {config.name} is planning at this moment. Nothing was sent; replay the "
            "same sheet again when it is over."
        )
    # A run that was planned between the two: from now on every run reads what was corrected.
    late = dict[str, str]()
    mending = _without_held(mending, ledger, config.name, late)
    if late:
        ledger.corrections.take_back(config.name, late.keys(), before, who=who)
    left_out |= late
    replay = _Replay(config, settings, ledger)
    plan = replay.plan(mending, guard, destinations)
    try:
        ledger.plans.sendable(sync=config.name, partition_key=REPLAY)
        replayed = replay.send(plan, client, note)
        replayed.left_out += left_out.values()
        return replayed
    finally:
        replay.record(plan)


def _without_held(mending: Mending, ledger: Ledger, sync: str, left_out: dict[str, str]) -> Mending:
    """The sheet without leads that are called, or on their way there, by now.

    Args:
        left_out: gets their keys, each with a sentence.
    """
    keys: list[str] = mending.leads["lead_key"].to_pylist()
    standing = Standing(ledger, sync, set(keys))
    for key in keys:
        refusal = standing.refusal(key)
        if refusal is not None:
            shown = SampleRow.masked(key, None, "").lead_key
            left_out[key] = f"Lead {shown} was left out: by now it {refusal[1]}"
    return mending.without(left_out.keys())


class _Replay:
    """The steps of a run, for the mended rows of one sheet."""

    def __init__(self, config: SyncConfig, settings: Settings, ledger: Ledger) -> None:
        self._config = config
        self._settings = settings
        self._ledger = ledger
        self._store = Store(settings.store_url)

    def plan(self, mending: Mending, guard: _Guard, destinations: Destinations | None) -> Plan:
        """Stage, claim and write the batch files."""
        config, ledger = self._config, self._ledger
        run_id = f"{REPLAY}-{secrets.token_hex(8)}"
        path = staged_path(config.name, run_id, REPLAY)
        stage_leads(_MendedRows(mending.rows), config.screening, self._store, path)
        plan = ledger.plans.begin(
            sync=config.name, partition_key=REPLAY, run_id=run_id, lease=lease_term()
        )
        recent = ledger.accounts.recent_planned(sync=config.name)
        limits = BatchLimits(
            config.batch.format,
            config.batch.max_rows,
            config.batch.max_bytes,
            config.enrolment_ref,
            hold_absent=config.in_doubt == "hold",
        )
        plan_leads(
            plan,
            path,
            ledger=ledger,
            store=self._store,
            limits=limits,
            dedupe=config.dedupe,
            guard=lambda account: guard(account, recent),
            destinations=destinations,
            erasure_key=self._settings.erasure_key,
        )
        return plan

    def send(self, plan: Plan, client: DialNexaClient, note: Callable[[str], None]) -> Replayed:
        """Upload what was planned."""
        config, ledger = self._config, self._ledger
        ledger.doubts.put_dead_senders_in_doubt()
        closed = owe_activations(ledger, client, plan) if config.activates else {}
        report = send_plan(
            plan,
            ledger=ledger,
            store=self._store,
            client=client,
            run_id=plan.run_id,
            note=note,
            closed=closed.keys(),
            at_once=config.workflows_at_once,
        )
        problems = [*closed.values(), *report.problems]
        if report.stopped is not None and report.stopped not in problems:
            problems.append(report.stopped)
        if config.activates:
            activations = activate_verified(ledger, client, sync=config.name)
            problems += [each.said for each in activations if each.needs_a_person]
        return Replayed(ledger.accounts.of_plan(plan.plan_id), problems, report.paused)

    def record(self, plan: Plan) -> None:
        """Let rejected rows and record tables follow, however sending ended."""
        ledger, warehouse, sync = self._ledger, self._settings.warehouse_url, plan.sync
        ledger.batches.list_unsent(plan.plan_id)
        ledger.corrections.resolve_routed(plan)
        record_enrolments(ledger, warehouse, sync)
        record_rejected_rows(ledger, warehouse, sync)
        record_counts(ledger, warehouse, sync)
