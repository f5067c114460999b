"""The doctor: what is configured, whether it answers, and how to mend what does not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dialnexa_pipeline.connecting import open_client
from dialnexa_pipeline.database_errors import shown
from dialnexa_pipeline.errors import ConfigError, DialNexaError
from dialnexa_pipeline.ledger import Ledger, approve_command
from dialnexa_pipeline.project import FoundSync, find_syncs
from dialnexa_pipeline.records import require_writable
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.sources import open_source
from dialnexa_pipeline.store import Store
from dialnexa_pipeline.sync import SyncConfig
from dialnexa_pipeline.warehouse_engine import warehouse_url

# Somebody sits before the screen.
_MAX_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    said: str
    mend: str = ""


def examine(project: Path) -> list[Finding]:
    """Look at everything a sync needs; nothing is written except a probe in the store."""
    try:
        settings = Settings.from_environment()
    except ConfigError as error:
        return [Finding("environment", False, str(error), "Set the variable, or unset it.")]
    syncs = find_syncs(project)
    return [
        *_examine_syncs(project, syncs),
        _finding("ledger", lambda: _ledger(settings), "Set DIALNEXA_LEDGER_URL."),
        *_examine_words(settings),
        _finding("store", lambda: _store(settings), "Set DIALNEXA_STORE_URL."),
        _finding("warehouse", lambda: _warehouse(settings), "Set DIALNEXA_WAREHOUSE_URL."),
        *_examine_sources(settings, syncs),
        *_examine_dialnexa(settings, syncs),
    ]


def _examine_syncs(project: Path, syncs: list[FoundSync]) -> Iterator[Finding]:
    if not syncs:
        yield Finding(
            "syncs",
            False,
            f"No LeadSyncComponent in any YAML file below {project.absolute()}.",
            "`dg scaffold defs dialnexa_pipeline.LeadSyncComponent my_sync` writes one that runs "
            "after three edits.",
        )
    for sync in syncs:
        if sync.config is None:
            yield Finding(str(sync.path), False, sync.problem, f"Correct the key in {sync.path}.")
        else:
            yield Finding(f"sync {sync.config.name}", True, str(sync.path))


def _examine_sources(settings: Settings, syncs: list[FoundSync]) -> Iterator[Finding]:
    for sync in syncs:
        config = sync.config
        if config is None:
            continue

        def first_batch(config: SyncConfig = config) -> str:
            source = open_source(
                config.source,
                warehouse_url=settings.warehouse_url,
                columns=config.source_columns,
                batch_rows=1,
            )
            for _batch in source.batches():
                break
            return f"{source.description} can be read."

        yield _finding(f"source of {config.name}", first_batch, f"Correct source in {sync.path}.")


def _examine_dialnexa(settings: Settings, syncs: list[FoundSync]) -> Iterator[Finding]:
    if not settings.api_key:
        yield Finding(
            "API key",
            False,
            "DIALNEXA_API_KEY is not set.",
            "export DIALNEXA_API_KEY=key_id:secret, or start `dialnexa sandbox`, which calls "
            "nobody, and export what it prints.",
        )
        return
    wanted = {
        sync.config.workflow: sync.config.name
        for sync in syncs
        if sync.config is not None and sync.config.workflow is not None
    }
    try:
        with open_client(replace(settings, max_wait=_MAX_WAIT)) as client:
            workflows = {workflow.id: workflow for workflow in client.list_workflows()}
    except DialNexaError as error:
        yield Finding("API key", False, str(error), "Check DIALNEXA_API_KEY and DIALNEXA_BASE_URL.")
        return
    yield Finding("API key", True, f"{settings.base_url} answers; {len(workflows)} workflows.")
    for workflow_id, name in wanted.items():
        workflow = workflows.get(workflow_id)
        if workflow is None:
            yield Finding(
                f"workflow {workflow_id}",
                False,
                f"Sync {name} names it, but it does not exist or is not yours.",
                f"Choose one of: {', '.join(sorted(workflows)) or 'none exist'}.",
            )
        else:
            ok = workflow.status not in {"completed", "cancelled"}
            yield Finding(
                f"workflow {workflow_id}",
                ok,
                f"{workflow.title}: {workflow.status}",
                "" if ok else "Its leads would never be called; choose another workflow.",
            )


def _examine_words(settings: Settings) -> Iterator[Finding]:
    """People's words that keep something from being sent."""
    try:
        with Ledger(settings.ledger_url) as ledger:
            stops = ledger.switches.standing()
            held = ledger.approvals.held()
    except Exception:
        # The finding of the ledger says why.
        return
    for stop in stops:
        option = "" if stop.sync is None else f" --sync {stop.sync}"
        mend = f"Mend the cause, then `dialnexa resume{option} --reason …`."
        yield Finding("stop switch", False, stop.sentence, mend)
    for each in held:
        command = approve_command(each.plan.sync, each.plan.partition_key)
        mend = f"Mend the source and run the sync again, or `{command}`."
        yield Finding(f"guard of {each.plan.sync}", False, each.hold.why, mend)


def _finding(what: str, look: Callable[[], str], mend: str) -> Finding:
    try:
        return Finding(what, True, look())
    except (DialNexaError, OSError) as error:
        return Finding(what, False, str(error), mend)
    except Exception as error:
        # Drivers and storage packages raise what they like, and their words may hold secrets.
        said = f"It ended with {type(error).__name__}, an error of a driver or package below."
        return Finding(what, False, said, mend)


def _ledger(settings: Settings) -> str:
    with Ledger(settings.ledger_url) as ledger:
        states = ledger.accounts.batch_counts()
    doubt = states.get("in_doubt", 0)
    return f"{ledger.shown}; {sum(states.values())} batches, {doubt} in doubt."


def _store(settings: Settings) -> str:
    store = Store(settings.store_url)
    probe = ".doctor/probe"
    store.write(probe, b"probe")
    store.delete(probe)
    return f"{store.shown} can be written."


def _warehouse(settings: Settings) -> str:
    require_writable(settings.warehouse_url)
    return f"{shown(warehouse_url(settings.warehouse_url))} takes the record tables."
