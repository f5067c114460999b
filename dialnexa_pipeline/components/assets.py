"""The five assets of a sync, from screened leads to record tables."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

from collections.abc import Sequence

import dagster as dg

from dialnexa_pipeline.components.checks import (
    CONSERVATION,
    NOTHING_IN_DOUBT,
    VOLUME_GUARD,
    conservation,
    nothing_in_doubt,
    volume_guard,
)
from dialnexa_pipeline.components.resources import (
    DialNexaResource,
    LedgerResource,
    StoreResource,
    WarehouseResource,
)
from dialnexa_pipeline.components.showing import (
    batch_table,
    column_schema,
    declared_schema,
    outcome_metadata,
    reason_table,
    sample_table,
    workflow_table,
)
from dialnexa_pipeline.components.windows import partition_key_of, partitions_of, window_of
from dialnexa_pipeline.enrolment import (
    BatchLimits,
    SampleRow,
    plan_leads,
    reconcile,
    send_plan,
    stage_leads,
    staged_path,
)
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger import Count, Ledger
from dialnexa_pipeline.records import (
    record_counts,
    record_enrolments,
    record_rejected_rows,
    record_tables,
)
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.sources import open_source
from dialnexa_pipeline.store import Store
from dialnexa_pipeline.sync import SyncConfig

_STAGED = "staged_path"


def sync_assets(config: SyncConfig) -> list[dg.AssetsDefinition]:
    """The assets of one sync, in the order they depend on each other."""
    return [
        _screened_leads(config),
        _lead_batches(config),
        _enrolments(config),
        _enrolment_counts(config),
        _rejected_rows(config),
    ]


def source_key(config: SyncConfig) -> dg.AssetKey | None:
    """The upstream asset: a table `analytics.leads_to_call` is `analytics/leads_to_call`."""
    table = config.source.table
    return dg.AssetKey(table.split(".")) if table is not None else None


def _screened_leads(config: SyncConfig) -> dg.AssetsDefinition:
    upstream = source_key(config)

    @dg.asset(
        name="screened_leads",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        kinds={"parquet", "python"},
        deps=[upstream] if upstream is not None else [],
        partitions_def=partitions_of(config),
        description=(
            f"Every row of the source of `{config.name}`, its phone normalised, with the reason "
            "for each row that cannot be called. Nothing is claimed or sent."
        ),
    )
    def screened_leads(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource, store: StoreResource
    ) -> dg.MaterializeResult:
        source = open_source(
            config.source,
            warehouse_url=warehouse.url,
            columns=config.source_columns,
            window=window_of(context),
        )
        path = staged_path(config.name, context.run.run_id, partition_key_of(context))
        staged = stage_leads(source, config.screening, store.open(), path)
        counts = [
            Count(workflow, "invalid", reason, leads)
            for (workflow, reason), leads in staged.counts.items()
        ]
        eligible = [
            Count(workflow, "eligible", "eligible", leads)
            for workflow, leads in staged.eligible.items()
        ]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": staged.source_rows,
                "dagster/column_schema": column_schema(staged.schema),
                "leads/eligible": sum(staged.eligible.values()),
                "leads/invalid": sum(staged.counts.values()),
                "reasons": reason_table(counts),
                "workflows": workflow_table([*eligible, *counts]),
                "sample": sample_table(staged.sample),
                "source": source.description,
                _STAGED: path,
            }
        )

    return screened_leads


def _lead_batches(config: SyncConfig) -> dg.AssetsDefinition:
    key = dg.AssetKey([config.name, "lead_batches"])

    @dg.asset(
        name="lead_batches",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        kinds={config.batch.format, "python"},
        deps=[dg.AssetKey([config.name, "screened_leads"])],
        partitions_def=partitions_of(config),
        check_specs=[dg.AssetCheckSpec(VOLUME_GUARD, asset=key, blocking=True)],
        description=(
            "The preview: leads claimed in the ledger and written to batch files, one workflow a "
            "file. Nothing is sent until `enrolments` is materialised."
        ),
    )
    def lead_batches(
        context: dg.AssetExecutionContext,
        dialnexa: DialNexaResource,
        ledger: LedgerResource,
        store: StoreResource,
    ) -> dg.MaterializeResult:
        files = store.open()
        staged = _staged_file(context, config, files)
        with ledger.open() as opened:
            _settle_doubts(context, config, dialnexa, opened)
            plan = opened.plans.begin(
                sync=config.name,
                partition_key=partition_key_of(context),
                run_id=context.run.run_id,
            )
            limits = BatchLimits(
                config.batch.format,
                config.batch.max_rows,
                config.batch.max_bytes,
                config.enrolment_ref,
            )
            plan_leads(
                plan, staged, ledger=opened, store=files, limits=limits, dedupe=config.dedupe
            )
            account = opened.accounts.of_plan(plan.plan_id)
            batches = opened.batches.of_plan(plan.plan_id)
            guard = volume_guard(config, account, opened.accounts.recent_planned(sync=config.name))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": account.by_outcome().get("planned", 0),
                "files": len(batches),
                "batches": batch_table(batches),
                "plan_id": plan.plan_id,
                **outcome_metadata(account),
            },
            check_results=[guard],
        )

    return lead_batches


def _enrolments(config: SyncConfig) -> dg.AssetsDefinition:
    key = dg.AssetKey([config.name, "enrolments"])

    @dg.asset(
        name="enrolments",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        kinds={"dialnexa", "table"},
        deps=[dg.AssetKey([config.name, "lead_batches"])],
        partitions_def=partitions_of(config),
        check_specs=[
            dg.AssetCheckSpec(CONSERVATION, asset=key, blocking=True),
            dg.AssetCheckSpec(NOTHING_IN_DOUBT, asset=key),
        ],
        description=(
            "The approval: batches are uploaded to DialNexa, each person at most once. An answer "
            "in doubt is never sent again. Recorded in `dialnexa_enrolments`."
        ),
    )
    def enrolments(
        context: dg.AssetExecutionContext,
        dialnexa: DialNexaResource,
        ledger: LedgerResource,
        warehouse: WarehouseResource,
        store: StoreResource,
    ):
        with ledger.open() as opened:
            plan = opened.plans.current(sync=config.name, partition_key=partition_key_of(context))
            if plan is None:
                raise dg.Failure(
                    f"Sync {config.name!r} has no plan to send; materialise "
                    f"{config.name}/lead_batches first.",
                    allow_retries=False,
                )
            opened.doubts.put_dead_senders_in_doubt()
            with dialnexa.client() as client:
                report = send_plan(
                    plan,
                    ledger=opened,
                    store=store.open(),
                    client=client,
                    run_id=context.run.run_id,
                    note=context.log.info,
                )
            record_enrolments(opened, warehouse.url, config.name)
            account = opened.accounts.of_plan(plan.plan_id)
            doubtful = opened.doubts.batches(sync=config.name)
            batches = opened.batches.of_plan(plan.plan_id)
            problems = [*report.problems]
            if report.stopped is not None and report.stopped not in problems:
                problems.append(report.stopped)
            if problems:
                # Downstream assets are skipped after a failure, so the records follow here.
                record_rejected_rows(opened, warehouse.url, config.name)
                record_counts(opened, warehouse.url, config.name)
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": account.by_outcome().get("enrolled", 0),
                "dagster/column_schema": declared_schema(_columns("dialnexa_enrolments")),
                "posts": report.posts,
                "batches": batch_table(batches),
                "plan_id": plan.plan_id,
                **outcome_metadata(account),
            },
            check_results=[conservation(account), nothing_in_doubt(doubtful)],
        )
        if problems:
            raise dg.Failure(" ".join(problems), allow_retries=False)

    return enrolments


def _enrolment_counts(config: SyncConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name="enrolment_counts",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        kinds={"table"},
        deps=[dg.AssetKey([config.name, "enrolments"])],
        partitions_def=partitions_of(config),
        description=(
            "Counts by outcome per run, partition and workflow: `dialnexa_enrolment_counts`."
        ),
    )
    def enrolment_counts(
        ledger: LedgerResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        with ledger.open() as opened:
            rows = record_counts(opened, warehouse.url, config.name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "dagster/column_schema": declared_schema(_columns("dialnexa_enrolment_counts")),
                "leads/enrolled": sum(row.enrolled for row in rows),
                "source_rows": sum(row.source_rows for row in rows),
            }
        )

    return enrolment_counts


def _rejected_rows(config: SyncConfig) -> dg.AssetsDefinition:
    @dg.asset(
        name="rejected_rows",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        kinds={"table"},
        deps=[dg.AssetKey([config.name, "enrolments"])],
        partitions_def=partitions_of(config),
        description=(
            "Every row that is not enrolled, with outcome, reason and sentence: "
            "`dialnexa_rejected_rows`."
        ),
    )
    def rejected_rows(
        context: dg.AssetExecutionContext, ledger: LedgerResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        with ledger.open() as opened:
            written = record_rejected_rows(opened, warehouse.url, config.name)
            plan = opened.plans.current(sync=config.name, partition_key=partition_key_of(context))
            account = opened.accounts.of_plan(plan.plan_id) if plan is not None else None
            rows = opened.accounts.rejected_sample(plan, 20) if plan is not None else []
        sample = [SampleRow.masked(row.lead_key, row.raw_phone, row.reason) for row in rows]
        standing = [
            count
            for count in (account.counts if account is not None else ())
            if count.outcome != "enrolled" and count.reason != "duplicate/already_enrolled"
        ]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(count.leads for count in standing),
                "dagster/column_schema": declared_schema(_columns("dialnexa_rejected_rows")),
                "rows_written": written,
                "reasons": reason_table(standing),
                "sample": sample_table(sample),
                "table": "dialnexa_rejected_rows in the warehouse holds every row.",
            }
        )

    return rejected_rows


def _staged_file(context: dg.AssetExecutionContext, config: SyncConfig, store: Store) -> str:
    """This run's staged leads, or those of the latest run that screened this partition."""
    own = staged_path(config.name, context.run.run_id, partition_key_of(context))
    if own in store.list(own.rsplit("/", 1)[0]):
        return own
    latest = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([config.name, "screened_leads"]),
            asset_partitions=[context.partition_key] if context.has_partition_key else None,
        ),
        limit=1,
    ).records
    if latest:
        materialization = latest[0].asset_materialization
        path = materialization.metadata[_STAGED].value if materialization is not None else None
        if isinstance(path, str):
            return path
    raise dg.Failure(
        f"Sync {config.name!r} has no screened leads to plan; materialise "
        f"{config.name}/screened_leads first.",
        allow_retries=False,
    )


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
        context.log.info(
            f"Batch {batch.batch_id} of {batch.workflow_id}: {batch.enrolled} rows found enrolled, "
            f"{batch.absent} proved absent, {batch.waiting} still in doubt."
        )


def _columns(table: str) -> dict[str, str]:
    columns: Sequence[tuple[str, str]] = [
        (column.name, str(column.type).lower()) for column in record_tables().tables[table].columns
    ]
    return dict(columns)
