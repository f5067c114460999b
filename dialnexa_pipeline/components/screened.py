"""The asset `screened_leads`: every source row with its outcome so far; nothing is claimed."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

import time

import dagster as dg

from dialnexa_pipeline.components.checks import (
    KEYS_UNIQUE,
    REQUIRED_VARIABLES,
    check_spec,
    keys_unique,
    required_variables,
)
from dialnexa_pipeline.components.describing import asset_tags, describe_screened_leads
from dialnexa_pipeline.components.interrupted import ending_canceled
from dialnexa_pipeline.components.lineage import screened_columns
from dialnexa_pipeline.components.links import upstream_run
from dialnexa_pipeline.components.resources import (
    LedgerResource,
    StoreResource,
    WarehouseResource,
)
from dialnexa_pipeline.components.showing import (
    per_second,
    reason_numbers,
    reason_table,
    sample_table,
    workflow_table,
)
from dialnexa_pipeline.components.windows import partition_key_of, partitions_of, window_of
from dialnexa_pipeline.enrolment import SourceCorrections, stage_leads, staged_path
from dialnexa_pipeline.ledger import Count
from dialnexa_pipeline.sources import KeysBroken, open_source
from dialnexa_pipeline.store import Store
from dialnexa_pipeline.sync import SyncConfig

_STAGED = "staged_path"


def screened_leads_asset(config: SyncConfig) -> dg.AssetsDefinition:
    """Read, map, normalise and screen; the result is one staged file."""
    upstream = source_key(config)
    key = dg.AssetKey([config.name, "screened_leads"])

    @dg.asset(
        name="screened_leads",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        tags=asset_tags(config),
        kinds={"parquet", "python"},
        deps=[upstream] if upstream is not None else [],
        partitions_def=partitions_of(config),
        check_specs=[
            check_spec(KEYS_UNIQUE, key),
            *([check_spec(REQUIRED_VARIABLES, key)] if config.required_variables else []),
        ],
        description=describe_screened_leads(config),
    )
    def screened_leads(
        context: dg.AssetExecutionContext,
        warehouse: WarehouseResource,
        store: StoreResource,
        ledger: LedgerResource,
    ):
        started = time.monotonic()
        path = staged_path(config.name, context.run.run_id, partition_key_of(context))
        with ending_canceled(context):
            source = open_source(
                config.source,
                warehouse_url=warehouse.url,
                columns=config.source_columns,
                window=window_of(context, config),
            )
            with ledger.open() as opened:
                corrections = SourceCorrections.of(opened, config.name, config.source.key)
            try:
                staged = stage_leads(source, config.screening, store.open(), path, corrections)
            except KeysBroken as broken:
                # Without a materialisation: nothing is staged that could be planned.
                yield keys_unique(broken.report)
                raise
        counts = [
            Count(workflow, "invalid", reason, leads)
            for (workflow, reason), leads in staged.counts.items()
        ]
        eligible = [
            Count(workflow, "eligible", "eligible", leads)
            for workflow, leads in staged.eligible.items()
        ]
        checks = [keys_unique(staged.keys)]
        if config.required_variables:
            checks.append(required_variables(config, staged))
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": staged.source_rows,
                "reasons": reason_table(counts),
                "workflows": workflow_table([*eligible, *counts]),
                "sample": sample_table(staged.sample),
                "leads/eligible": sum(staged.eligible.values()),
                "leads/invalid": sum(staged.counts.values()),
                "corrected_rows": corrections.applied,
                "rows_per_second": per_second(staged.source_rows, started),
                "source": source.description,
                **upstream_run(context, upstream),
                **reason_numbers(counts),
                **screened_columns(config, upstream, staged.schema),
                _STAGED: path,
            },
            check_results=checks,
        )

    return screened_leads


def staged_file(context: dg.AssetExecutionContext, config: SyncConfig, store: Store) -> str:
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


def source_key(config: SyncConfig) -> dg.AssetKey | None:
    """The upstream asset: a table `analytics.leads_to_call` is `analytics/leads_to_call`."""
    table = config.source.table
    return dg.AssetKey(table.split(".")) if table is not None else None
