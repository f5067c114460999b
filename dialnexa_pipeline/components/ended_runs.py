"""Runs of syncs that ended lately, read from the Dagster instance, each failure in a sentence."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterInstance, DagsterRun, RunRecord, RunsFilter
from dagster_shared.error import SerializableErrorInfo

from dialnexa_pipeline.alerts import EndedRun, RunScope
from dialnexa_pipeline.components.checks import CONSERVATION, VOLUME_GUARD

SYNC_TAG = "dialnexa/sync"
# What Dagster itself writes into the tags of a run.
_PARTITION_TAG = "dagster/partition"
_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_BLOCKING = {CONSERVATION, VOLUME_GUARD}
_SENDS = "enrolments"
_ASSETS = {"screened_leads", "lead_batches", _SENDS, "enrolment_counts", "rejected_rows"}
_OWN_ERRORS = "dialnexa_pipeline."
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_TOLD_BY_EVENTS = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


def ended_runs(instance: DagsterInstance, *, after: datetime) -> list[EndedRun]:
    """Runs of any sync that succeeded or failed after a moment, in the order they ended.

    Runs that were canceled are neither: a person ended them.
    """
    records = instance.get_run_records(RunsFilter(statuses=_ENDED, updated_after=after))
    # A run's record changes after its end too, when somebody tags it.
    lately = [record for record in records if (record.end_time or 0) > after.timestamp()]
    lately.sort(key=lambda record: record.end_time or 0)
    found = (_ended(instance, record) for record in lately)
    return [run for run in found if run is not None]


def _ended(instance: DagsterInstance, record: RunRecord) -> EndedRun | None:
    run = record.dagster_run
    sync = _sync_of(run)
    if sync is None:
        return None
    succeeded = run.status == dg.DagsterRunStatus.SUCCESS
    why, guard_held = ("", False) if succeeded else _why(instance, run)
    return EndedRun(
        run.run_id,
        sync,
        _partition_of(run),
        _scope_of(run),
        succeeded,
        datetime.fromtimestamp(record.end_time or 0, UTC),
        why,
        guard_held,
    )


def _sync_of(run: DagsterRun) -> str | None:
    """By the tag of the sync's jobs, or by the assets that somebody chose in the UI."""
    if SYNC_TAG in run.tags:
        return run.tags[SYNC_TAG]
    for key in sorted(run.asset_selection or ()):
        if len(key.path) == 2 and key.path[1] in _ASSETS:
            return key.path[0]
    return None


def _scope_of(run: DagsterRun) -> RunScope:
    if run.job_name == f"{run.tags.get(SYNC_TAG)}_reconcile":
        return "reconcile"
    chosen = run.asset_selection
    return "sync" if not chosen or any(key.path[-1] == _SENDS for key in chosen) else "part"


def _partition_of(run: DagsterRun) -> str:
    start, end = (run.tags.get(tag) for tag in _RANGE_TAGS)
    if start is not None and end is not None:
        return start if start == end else f"{start}...{end}"
    return run.tags.get(_PARTITION_TAG, "")


def _why(instance: DagsterInstance, run: DagsterRun) -> tuple[str, bool]:
    """Why a run failed, and whether a guard held it.

    Only what this package says itself is repeated: another error's text may hold a lead.
    """
    sentences: list[str] = []
    guard_held = False
    events = instance.get_records_for_run(run.run_id, of_type=_TOLD_BY_EVENTS).records
    for record in events:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.check_name in _BLOCKING:
                sentences.append(check.description or check.check_name)
                guard_held = guard_held or check.check_name == VOLUME_GUARD
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
            sentences.extend(_why_step(event))
        elif not sentences:
            sentences.append("Its process ended before it was done; the run's page says more.")
    return " ".join(dict.fromkeys(sentences)), guard_held


def _why_step(event: dg.DagsterEvent) -> Iterator[str]:
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        yield failure.user_failure_data.description
        return
    root = failure.error
    for error in _chain(failure.error):
        if error.message.startswith(_OWN_ERRORS):
            yield error.message.partition(": ")[2].strip()
            return
        if error.cls_name == "DagsterAssetCheckFailedError":
            # The check itself has said why.
            return
        root = error
    kind = root.cls_name if root is not None else "an error"
    yield f"Step {event.step_key} ended with {kind}; the run's page shows it."


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    """An error and what caused it, outermost first."""
    while error is not None:
        yield error
        error = error.cause
