"""The asset `lead_batches`: claims and batch files, which is the preview; nothing is sent."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

import time

import dagster as dg

from dialnexa_pipeline.components.automation import condition_of
from dialnexa_pipeline.components.checks import (
    REJECT_RATE,
    ROWS_FOR_A_RATE,
    VOLUME_GUARD,
    check_spec,
    guard_kept,
    reject_rate,
    volume_guard,
)
from dialnexa_pipeline.components.describing import asset_tags, describe_lead_batches
from dialnexa_pipeline.components.interrupted import ending_canceled
from dialnexa_pipeline.components.lineage import uploaded_columns
from dialnexa_pipeline.components.links import earlier_runs_table, upstream_run, workflow_links
from dialnexa_pipeline.components.preflight import Preflight, preflight_checks
from dialnexa_pipeline.components.resources import DialNexaResource, LedgerResource, StoreResource
from dialnexa_pipeline.components.screened import staged_file
from dialnexa_pipeline.components.showing import (
    batch_table,
    outcome_metadata,
    per_second,
    reason_numbers,
    settled_sentence,
)
from dialnexa_pipeline.components.windows import backfill_policy_of, partition_key_of, partitions_of
from dialnexa_pipeline.enrolment import (
    BatchLimits,
    earlier_runs,
    lease_term,
    plan_leads,
    reconcile,
    refuse_changed,
    refuse_outdated,
)
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.incremental import screening_fingerprint
from dialnexa_pipeline.ledger import Account, Ledger, Plan
from dialnexa_pipeline.partitioning import covers, overlaps
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.store import Store
from dialnexa_pipeline.sync import SyncConfig


def lead_batches_asset(config: SyncConfig) -> dg.AssetsDefinition:
    """Claim every eligible lead and write the batch files."""
    key = dg.AssetKey([config.name, "lead_batches"])
    screened = dg.AssetKey([config.name, "screened_leads"])

    @dg.asset(
        name="lead_batches",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        tags=asset_tags(config),
        kinds={config.batch.format, "python"},
        deps=[screened],
        partitions_def=partitions_of(config),
        backfill_policy=backfill_policy_of(config),
        automation_condition=condition_of(config, "lead_batches"),
        check_specs=[
            check_spec(name, key) for name in (VOLUME_GUARD, REJECT_RATE, *preflight_checks(config))
        ],
        description=describe_lead_batches(config),
    )
    def lead_batches(
        context: dg.AssetExecutionContext,
        dialnexa: DialNexaResource,
        ledger: LedgerResource,
        store: StoreResource,
    ) -> dg.MaterializeResult:
        started = time.monotonic()
        files = store.open()
        staged = staged_file(context, config, files)
        with ending_canceled(context), ledger.open() as opened:
            # Before the new plan ends the one before it.
            refuse_changed(files, staged, screening_fingerprint(config), config.name)
            _settle_doubts(context, config, dialnexa, opened)
            preflight = Preflight(config, dialnexa)
            plan = _begin_plan(context, config, opened)
            refuse_outdated(opened, files, staged, config.name)
            limits = BatchLimits(
                config.batch.format,
                config.batch.max_rows,
                config.batch.max_bytes,
                config.enrolment_ref,
                hold_absent=config.in_doubt == "hold",
            )
            recent = opened.accounts.recent_planned(sync=config.name)
            barred = plan_leads(
                plan,
                staged,
                ledger=opened,
                store=files,
                limits=limits,
                dedupe=config.dedupe,
                guard=lambda account: volume_guard(config, account, recent),
                destinations=preflight.destinations,
                erasure_key=Settings.from_environment().erasure_key,
            )
            account = opened.accounts.of_plan(plan.plan_id)
            batches = opened.batches.of_plan(plan.plan_id)
            held = opened.approvals.of_plan(plan)
            earlier = opened.totals.refused_shares(before=plan, of_rows=ROWS_FOR_A_RATE)
            before = _enrolled_before(opened, files, staged, account)
        with ending_canceled(context):
            looked = preflight.checks(barred, batches)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": account.by_outcome().get("planned", 0),
                **outcome_metadata(account),
                **before,
                "batches": batch_table(batches),
                "files": len(batches),
                "rows_per_second": per_second(account.source_rows, started),
                **workflow_links(batch.workflow_id for batch in batches),
                **upstream_run(context, screened, same_partitions=True),
                "plan_id": plan.plan_id,
                **reason_numbers(account.counts),
                **uploaded_columns(config),
            },
            check_results=[
                guard_kept(account, held),
                reject_rate(account, earlier, config.checks),
                *looked,
            ],
        )

    return lead_batches


def _enrolled_before(
    ledger: Ledger, store: Store, staged: str, account: Account
) -> dict[str, dg.MetadataValue]:
    """Who enrolled the leads that are enrolled already; nothing when there are none."""
    leads = sum(
        count.leads for count in account.counts if count.reason == "duplicate/already_enrolled"
    )
    if not leads:
        return {}
    earlier = earlier_runs(ledger, store, staged, sync=account.plan.sync, wanted=leads)
    return {"already_enrolled": earlier_runs_table(earlier, leads)}


def _begin_plan(context: dg.AssetExecutionContext, config: SyncConfig, ledger: Ledger) -> Plan:
    """Open the run's plan, which takes over what runs of overlapping windows left unsent.

    A plan of another window that waits for its approval, or that is being sent, keeps its leads.
    """
    key = partition_key_of(context)
    others = [each for each in ledger.partitions.of(config.name) if each.partition_key != key]
    covered = [each.partition_key for each in others if covers(config, key, each.partition_key)]
    broken_off = [
        each.partition_key
        for each in others
        if each.half_sent_by
        and overlaps(config, key, each.partition_key)
        and all(_has_ended(context.instance, run_id) for run_id in each.half_sent_by)
    ]
    return ledger.plans.begin(
        sync=config.name,
        partition_key=key,
        run_id=context.run.run_id,
        covers=covered,
        broken_off=broken_off,
        lease=lease_term(),
    )


def _has_ended(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def _settle_doubts(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    dialnexa: DialNexaResource,
    ledger: Ledger,
) -> None:
    """Reconcile this sync's batches in doubt before planning; a failure leaves them in doubt."""
    ledger.doubts.put_dead_senders_in_doubt()
    if not ledger.doubts.batches(sync=config.name):
        return
    settings = Settings.from_environment()
    try:
        with dialnexa.client() as client:
            settled = reconcile(
                ledger, client, settle=settings.settle, confirm=settings.confirm, sync=config.name
            )
    except DialNexaError as error:
        context.log.warning(f"Batches in doubt stay in doubt: {error}")
        return
    for batch in settled:
        log = context.log.info if batch.problem is None else context.log.warning
        log(settled_sentence(batch))
