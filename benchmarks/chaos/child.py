"""What a child process does: one sync, step by step as its assets do it, or one command."""

import contextlib
import signal
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import dagster as dg

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.enrolment import (
    BatchLimits,
    plan_leads,
    reconcile,
    send_plan,
    stage_leads,
    staged_path,
)
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.failpoints import FailpointReached, arm
from dialnexa_pipeline.ledger import Ledger, LedgerUnavailable, Plan
from dialnexa_pipeline.phones import normalise_phones as _normalise_phones
from dialnexa_pipeline.records import record_counts, record_enrolments, record_rejected_rows
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.sources import Window, open_source
from dialnexa_pipeline.store import Store
from dialnexa_pipeline.sync import SyncConfig

# What is imported at first use; a child would compile it again.
_LATER_IMPORTS = (
    "dagster._core.instance.factory",
    "dagster._core.storage.sqlite_storage",
    "dagster._core.storage.event_log.sqlite",
    "dagster._core.storage.runs.sqlite",
    "dagster._core.storage.schedules.sqlite",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.execution.execute_in_process",
    "duckdb_sqlalchemy",
    "httpcore",
    "openpyxl.cell._writer",
    "psycopg",
    "psycopg_binary",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "upath.implementations.local",
)
# Exit codes of a child; anything else was a signal.
DONE, SAID_NO, BROKE, INTERRUPTED = 0, 1, 2, 3
_WORKFLOWS_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class Orders:
    """What the driver asks of a child; sent as JSON.

    Attributes:
        kind: `sync`, `dagster`, `reconcile` or `release`.
        config: the sync's configuration; empty for commands.
        failpoint: armed before the work begins.
        mutant: `module:function` that breaks the protocol of this process on purpose.
        home: folder of a Dagster run's instance.
    """

    kind: str
    run_id: str
    config: dict[str, Any]
    partition: str
    failpoint: str | None
    mutant: str | None
    home: str


def warm_up() -> None:
    """Load what is loaded at first use, so that children find it in memory."""
    import pyarrow as pa

    for name in _LATER_IMPORTS:
        import_module(name)
    _normalise_phones(
        pa.array(["98765 43210", "+4915112345678"]),
        None,
        default_country="IN",
        allowed_types=frozenset({"mobile"}),
    )


def perform(orders: Orders) -> int:
    """Do the work of one child; returns its exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        if orders.mutant is not None:
            module, _, function = orders.mutant.partition(":")
            getattr(import_module(module), function)()
        arm(orders.failpoint)
        return _WORK[orders.kind](orders)
    except DialNexaError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return SAID_NO
    except (KeyboardInterrupt, FailpointReached):
        return INTERRUPTED
    except BaseException:
        traceback.print_exc()
        return BROKE


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _sync(orders: Orders) -> int:
    """The steps of components/: screened_leads, lead_batches, enrolments and the records."""
    settings = Settings.from_environment()
    config = SyncConfig.model_validate(orders.config)
    store = Store(settings.store_url)
    source = open_source(
        config.source,
        warehouse_url=settings.warehouse_url,
        columns=config.source_columns,
        window=_window(orders.partition),
    )
    path = staged_path(config.name, orders.run_id, orders.partition)
    stage_leads(source, config.screening, store, path)
    with Ledger(settings.ledger_url) as ledger:
        ledger.doubts.put_dead_senders_in_doubt()
        if ledger.doubts.batches(sync=config.name):
            _settle(ledger, settings, config.name)
        plan = ledger.plans.begin(
            sync=config.name, partition_key=orders.partition, run_id=orders.run_id
        )
        limits = BatchLimits(
            config.batch.format,
            config.batch.max_rows,
            config.batch.max_bytes,
            config.enrolment_ref,
            hold_absent=config.in_doubt == "hold",
        )
        plan_leads(plan, path, ledger=ledger, store=store, limits=limits, dedupe=config.dedupe)
    with Ledger(settings.ledger_url) as ledger:
        plan = ledger.plans.sendable(sync=config.name, partition_key=orders.partition)
        if plan is None:
            return SAID_NO
        problems, broken_by = _send(orders, ledger, store, settings, plan)
        record_enrolments(ledger, settings.warehouse_url, config.name)
    with Ledger(settings.ledger_url) as ledger:
        record_counts(ledger, settings.warehouse_url, config.name)
        record_rejected_rows(ledger, settings.warehouse_url, config.name)
    if broken_by is not None:
        raise broken_by
    return SAID_NO if problems else DONE


def _send(
    orders: Orders, ledger: Ledger, store: Store, settings: Settings, plan: Plan
) -> tuple[list[str], BaseException | None]:
    """Whatever breaks sending off, no batch is left as if it were being sent."""
    try:
        ledger.doubts.put_dead_senders_in_doubt()
        with _client(settings) as client:
            report = send_plan(
                plan,
                ledger=ledger,
                store=store,
                client=client,
                run_id=orders.run_id,
                note=_note,
                at_once=_WORKFLOWS_AT_ONCE,
            )
    except BaseException as error:
        with contextlib.suppress(LedgerUnavailable):
            ledger.doubts.put_senders_of_run_in_doubt(orders.run_id)
            ledger.batches.list_unsent(plan.plan_id)
        return [], error
    problems = [*report.problems, report.stopped or "", report.paused or ""]
    for problem in filter(None, dict.fromkeys(problems)):
        _note(problem)
    return [*report.problems, *([report.stopped] if report.stopped else [])], None


def _reconcile(orders: Orders) -> int:
    """The command `dialnexa reconcile`, and with `--release` for the kind `release`."""
    settings = Settings.from_environment()
    with Ledger(settings.ledger_url) as ledger:
        syncs = _settle(ledger, settings, None, release=orders.kind == "release")
        for name in syncs:
            record_enrolments(ledger, settings.warehouse_url, name)
            record_rejected_rows(ledger, settings.warehouse_url, name)
            record_counts(ledger, settings.warehouse_url, name)
    return DONE


def _settle(
    ledger: Ledger, settings: Settings, sync: str | None, *, release: bool = False
) -> list[str]:
    try:
        with _client(settings) as client:
            settled = reconcile(
                ledger,
                client,
                settle=settings.settle,
                confirm=settings.confirm,
                sync=sync,
                release=release,
            )
    except DialNexaError as error:
        _note(f"Batches in doubt stay in doubt: {error}")
        return []
    for batch in settled:
        _note(
            f"Batch {batch.batch_id} of {batch.workflow_id}: {batch.enrolled} rows found enrolled, "
            f"{batch.absent} proved absent, {batch.waiting} still in doubt, {batch.held} held. "
            f"{batch.problem or ''}"
        )
    return list(dict.fromkeys(batch.sync for batch in settled))


def _dagster(orders: Orders) -> int:
    """The real job, in process, with its events in a SQLite instance that outlives a kill."""
    config = SyncConfig.model_validate(orders.config)
    defs = dg.Definitions.merge(
        sync_definitions(config), dg.Definitions(resources=default_resources())
    )
    home = Path(orders.home)
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        done = defs.resolve_job_def(config.name).execute_in_process(
            instance=instance,
            raise_on_error=False,
            partition_key=orders.partition or None,
            run_id=orders.run_id,
        )
    return DONE if done.success else SAID_NO


def _client(settings: Settings) -> DialNexaClient:
    return DialNexaClient(
        settings.base_url,
        settings.api_key,
        read_timeout=settings.read_timeout,
        max_wait=settings.max_wait,
    )


def _window(partition: str) -> Window | None:
    if not partition:
        return None
    start = datetime.fromisoformat(partition).replace(tzinfo=UTC)
    return Window(start, start + timedelta(days=1))


def _note(text: str) -> None:
    print(text, flush=True)


_WORK = {"sync": _sync, "dagster": _dagster, "reconcile": _reconcile, "release": _reconcile}
