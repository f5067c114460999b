"""The job that settles a sync's batches in doubt, and the sensor that launches it when due."""

import hashlib
from collections.abc import Iterator, Sequence

import dagster as dg

from dialnexa_pipeline.components.checks import activated, nothing_in_doubt
from dialnexa_pipeline.components.interrupted import ending_canceled
from dialnexa_pipeline.components.resources import (
    DialNexaResource,
    LedgerResource,
    WarehouseResource,
)
from dialnexa_pipeline.components.showing import settled_sentence, settled_table
from dialnexa_pipeline.enrolment import Activation, SettledBatch, activate_verified, reconcile
from dialnexa_pipeline.ledger import Batch, Ledger, OwedActivation
from dialnexa_pipeline.records import record_counts, record_enrolments, record_rejected_rows
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.sync import SyncConfig

# A reconcile that failed, with nothing changed in the ledger, is launched again after this long.
_AGAIN_SECONDS = 300


def reconcile_job(config: SyncConfig, tags: dict[str, str]) -> dg.JobDefinition:
    """`<sync>_reconcile`: list the workflows in doubt, settle, and let the record tables follow."""

    @dg.op(
        name=f"{config.name}_settle_doubts",
        out=dg.Out(dg.Nothing),
        description="Lists each workflow that has batches in doubt, once. Nothing is sent.",
    )
    def settle_doubts(
        context: dg.OpExecutionContext,
        dialnexa: DialNexaResource,
        ledger: LedgerResource,
        warehouse: WarehouseResource,
    ):
        settings = Settings.from_environment()
        with ending_canceled(context), ledger.open() as opened:
            with dialnexa.client() as client:
                settled = reconcile(
                    opened,
                    client,
                    settle=settings.settle,
                    confirm=settings.confirm,
                    sync=config.name,
                )
                activations = (
                    activate_verified(opened, client, sync=config.name) if config.activates else []
                )
            record_enrolments(opened, warehouse.url, config.name)
            record_rejected_rows(opened, warehouse.url, config.name)
            record_counts(opened, warehouse.url, config.name)
            events = list(_events(config, opened, settled))
            for check in _checks(config, opened, activations):
                context.instance.report_runless_asset_event(check)
        said = [settled_sentence(batch) for batch in settled]
        said += [activation.said for activation in activations]
        for sentence in said:
            context.log.info(sentence)
        # What is yielded before a failure is kept.
        yield from events
        yield dg.Output(
            None,
            metadata={
                "batches": settled_table(settled),
                "leads/enrolled": sum(batch.enrolled for batch in settled),
                "leads/absent": sum(batch.absent for batch in settled),
                "leads/in_doubt": sum(batch.waiting + batch.held for batch in settled),
            },
        )
        problems = [batch.problem for batch in settled if batch.problem is not None]
        problems += [each.said for each in activations if each.needs_a_person]
        if problems:
            raise dg.Failure(" ".join(dict.fromkeys(problems)), allow_retries=False)

    @dg.job(
        name=f"{config.name}_reconcile",
        tags=tags,
        executor_def=dg.in_process_executor,
        description=f"Settle the batches of `{config.name}` that are in doubt. Nothing is sent.",
    )
    def reconcile_sync() -> None:
        settle_doubts()

    return reconcile_sync


def reconcile_sensor(config: SyncConfig, job: dg.JobDefinition) -> dg.SensorDefinition:
    """Launch the reconcile job when a listing can bring a batch of the sync forward."""

    @dg.sensor(
        name=f"{config.name}_reconcile_sensor",
        job=job,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Settles what `{config.name}` left in doubt, so that no run waits for it.",
    )
    def sensor(
        _context: dg.SensorEvaluationContext, ledger: LedgerResource
    ) -> dg.RunRequest | dg.SkipReason:
        if not ledger.exists():
            return dg.SkipReason("There is no ledger yet.")
        settings = Settings.from_environment()
        with ledger.open() as opened:
            due = [
                opened.batches.get(batch_id)
                for batch_id in opened.doubts.due(
                    sync=config.name, settle=settings.settle, confirm=settings.confirm
                )
            ]
            owed = opened.activations.owed(sync=config.name) if config.activates else []
            owed = [each for each in owed if each.is_settled]
            now = opened.doubts.clock().timestamp()
        if not due and not owed:
            return dg.SkipReason(f"No batch of {config.name} can be settled now.")
        return dg.RunRequest(run_key=f"{int(now // _AGAIN_SECONDS)}-{_fingerprint(due, owed)}")

    return sensor


def _fingerprint(due: Sequence[Batch], owed: Sequence[OwedActivation]) -> str:
    """The same for the same batches and workflows as long as nothing new was learnt of them."""
    known = [(b.batch_id, b.state, b.absent_seen_at, b.absent_rows) for b in due]
    waiting = [(each.workflow_id, each.plan_ids) for each in owed]
    return hashlib.sha256(repr((known, waiting)).encode()).hexdigest()[:16]


def _events(
    config: SyncConfig, ledger: Ledger, settled: Sequence[SettledBatch]
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    """Tell Dagster, per partition, which tables were written.

    `enrolments` is only observed: a new plan may wait for it, which a materialisation would hide.
    """
    partitions: dict[str, list[SettledBatch]] = {}
    for batch in settled:
        key = ledger.batches.get(batch.batch_id).partition_key
        partitions.setdefault(key, []).append(batch)
    for key, batches in partitions.items():
        partition, metadata = key or None, {"reconciled": settled_table(batches)}
        yield dg.AssetObservation(
            dg.AssetKey([config.name, "enrolments"]), partition=partition, metadata=metadata
        )
        for name in ("enrolment_counts", "rejected_rows"):
            yield dg.AssetMaterialization(
                dg.AssetKey([config.name, name]), partition=partition, metadata=metadata
            )


def _checks(
    config: SyncConfig, ledger: Ledger, activations: Sequence[Activation]
) -> Iterator[dg.AssetCheckEvaluation]:
    """The checks of `enrolments` as they stand now; an op can only report them beside its run."""
    checks = [nothing_in_doubt(ledger.doubts.batches(sync=config.name))]
    if config.activates:
        owed = [each.workflow_id for each in ledger.activations.owed(sync=config.name)]
        checks.append(activated(activations, owed))
    for check in checks:
        assert check.check_name is not None
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey([config.name, "enrolments"]),
            check_name=check.check_name,
            passed=check.passed,
            severity=check.severity,
            description=check.description,
            metadata=check.metadata,
        )
