"""What to do next: one sentence at the end of `dialnexa doctor`."""

from collections.abc import Sequence

from dialnexa_pipeline.cli.doctor import Finding
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger import REPLAY, Ledger, ledger_exists
from dialnexa_pipeline.partition_keys import newest_partition
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.sync import SyncConfig


def next_step(findings: Sequence[Finding], syncs: Sequence[SyncConfig]) -> str:
    """The next command to run, by what was found and by what the ledger knows.

    Args:
        syncs: the project's syncs whose YAML is sound.
    """
    for finding in findings:
        if not finding.ok:
            return f"{finding.mend} Then run `dialnexa doctor` again."
    settings = Settings.from_environment()
    first = next(iter(syncs))
    if not ledger_exists(settings.ledger_url):
        return _first_run(first)
    try:
        with Ledger(settings.ledger_url) as ledger:
            return _of_ledger(ledger, syncs)
    except DialNexaError:
        return _first_run(first)


def _of_ledger(ledger: Ledger, syncs: Sequence[SyncConfig]) -> str:
    doubtful = ledger.doubts.batches()
    if not all(batch.is_held for batch in doubtful):
        return "`dialnexa reconcile` settles the batches that are in doubt; it sends nothing."
    if doubtful:
        return (
            "`dialnexa reconcile --release` lets the next run send the rows that are proved absent "
            "and held for a person."
        )
    planned = ledger.accounts.syncs()
    for config in syncs:
        if config.name not in planned:
            return _first_run(config)
    names = [config.name for config in syncs]
    for sync in names:
        unsent = ledger.histories.batches(sync=sync, state="planned", limit=1)
        if unsent and unsent[0].partition_key == REPLAY:
            return (
                f"A corrected sheet of {sync} was planned and not sent: the same `dialnexa replay "
                f"{sync} SHEET` again sends it."
            )
        if unsent:
            return (
                f"Leads of {sync} are planned and not sent: look at them with `dialnexa batches "
                f"--sync {sync}`, then materialise {sync}/enrolments to send them."
            )
    for sync in names:
        standing = ledger.totals.rejected_rows(sync=sync)
        rows = sum(leads for outcome, leads in standing.items() if outcome != "resolved")
        if rows:
            return (
                f"`dialnexa rejected {sync}` tells how to mend what is not enrolled, {rows:,} rows."
            )
    return "`dialnexa status` tells of each sync's newest run; nothing waits for you."


def _first_run(config: SyncConfig) -> str:
    sync = config.name
    partition = newest_partition(config)
    if config.partitions is not None and partition is None:
        return (
            f"Wait until the first partition of {sync} has ended, from {config.partitions.start} "
            f"on; `dialnexa preview {sync}` counts the whole source meanwhile."
        )
    option = f" --partition {partition}" if partition else ""
    return (
        f"`dialnexa preview {sync}{option}` counts what its first run would do; nothing is sent "
        f"by it. `dg launch --job {sync}{option}` then runs it."
    )
