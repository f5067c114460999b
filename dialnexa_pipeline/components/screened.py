"""The asset `screened_leads`: every source row with its outcome so far; nothing is claimed."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

import time
from datetime import datetime

import dagster as dg
from pydantic import Field

from dialnexa_pipeline.components.automation import condition_of
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
from dialnexa_pipeline.components.windows import (
    backfill_policy_of,
    partition_key_of,
    partitions_of,
    window_of,
)
from dialnexa_pipeline.enrolment import SourceCorrections, stage_leads, staged_path
from dialnexa_pipeline.incremental import Reading, next_reading, screening_fingerprint
from dialnexa_pipeline.ledger import Count
from dialnexa_pipeline.sources import KeysBroken, count_untimely, open_source
from dialnexa_pipeline.store import Store
from dialnexa_pipeline.sync import SyncConfig

_STAGED = "staged_path"
_RECENT = 100


class Screening(dg.Config):
    """What a person may set for one run, in the launchpad."""

    full_scan: bool = Field(
        default=False,
        description="Read every row of the source, not only what changed since the cursor.",
    )


def screened_leads_asset(sync: SyncConfig) -> dg.AssetsDefinition:
    """Read, map, normalise and screen; the result is one staged file."""
    upstream = source_key(sync)
    key = dg.AssetKey([sync.name, "screened_leads"])

    @dg.asset(
        name="screened_leads",
        key_prefix=sync.name,
        group_name=sync.name,
        owners=sync.owners or None,
        tags=asset_tags(sync),
        kinds={"parquet", "python"},
        deps=[upstream] if upstream is not None else [],
        partitions_def=partitions_of(sync),
        backfill_policy=backfill_policy_of(sync),
        automation_condition=condition_of(sync, "screened_leads"),
        check_specs=[
            check_spec(KEYS_UNIQUE, key),
            *([check_spec(REQUIRED_VARIABLES, key)] if sync.required_variables else []),
        ],
        description=describe_screened_leads(sync),
    )
    def screened_leads(
        context: dg.AssetExecutionContext,
        config: Screening,
        ledger: LedgerResource,
        warehouse: WarehouseResource,
        store: StoreResource,
    ):
        started = time.monotonic()
        path = staged_path(sync.name, context.run.run_id, partition_key_of(context))
        with ending_canceled(context):
            with ledger.open() as opened:
                reading = next_reading(
                    sync, opened, warehouse_url=warehouse.url, full_scan=config.full_scan
                )
                corrections = SourceCorrections.of(opened, sync.name, sync.source.key)
            source = open_source(
                sync.source,
                warehouse_url=warehouse.url,
                columns=sync.source_columns,
                window=reading.since if reading is not None else window_of(context, sync),
            )
            read = reading.read if reading is not None else None
            try:
                staged = stage_leads(
                    source,
                    sync.screening,
                    store.open(),
                    path,
                    screened_as=screening_fingerprint(sync),
                    read=read,
                    corrections=corrections,
                    # A table has no order; a query or a file may be sorted by what matters most.
                    in_order=sync.source.table is None,
                )
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
        if sync.required_variables:
            checks.append(required_variables(sync, staged))
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
                **_cursor_metadata(sync, reading),
                **_untimely_metadata(context, sync, warehouse.url),
                **upstream_run(context, upstream),
                **reason_numbers(counts),
                **screened_columns(sync, upstream, staged.schema),
                _STAGED: path,
            },
            check_results=checks,
        )

    return screened_leads


def _cursor_metadata(config: SyncConfig, reading: Reading | None) -> dict[str, str]:
    """In words: what was read and why, and from where the next run may go on."""
    if reading is None:
        return {}
    column = config.source.updated_at
    if reading.since is None:
        said = f"Every row. {reading.why}"
    else:
        said = (
            f"Rows whose {column} is {_shown(reading.since.start)} or later, and rows without one. "
            f"{reading.why}"
        )
    until = reading.read.until
    following = f"No row has a {column} yet, so the next run reads everything again."
    if until is not None:
        following = (
            f"{_shown(until)}, less cursor.look_back, once every lead of this run is settled; "
            "until then the next run reads these rows again."
        )
    return {"cursor/read": said, "cursor/next": following}


def _untimely_metadata(
    context: dg.AssetExecutionContext, config: SyncConfig, warehouse_url: str
) -> dict[str, int]:
    """How many rows no partition holds because they have no moment."""
    if window_of(context, config) is None:
        return {}
    rows = count_untimely(config.source, warehouse_url=warehouse_url)
    if rows:
        column = config.source.updated_at
        context.log.warning(
            f"{rows} rows of the source have no moment in {column} and lie in no partition, so no "
            f"run reads them. Fill {column} in at the source, then backfill the partitions that "
            "they fall into; or take partitions out of the sync."
        )
    return {"rows_without_moment": rows}


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def staged_file(context: dg.AssetExecutionContext, config: SyncConfig, store: Store) -> str:
    """This run's staged leads, or those of the latest run that screened this partition or range."""
    partition_key = partition_key_of(context)
    own = staged_path(config.name, context.run.run_id, partition_key)
    folder = own.rsplit("/", 1)[0]
    if own in store.list(folder):
        return own
    latest = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=dg.AssetKey([config.name, "screened_leads"]),
            asset_partitions=[context.partition_key_range.start] if partition_key else None,
        ),
        limit=_RECENT,
    ).records
    for record in latest:
        materialization = record.asset_materialization
        path = materialization.metadata[_STAGED].value if materialization is not None else None
        # A partition is materialised by runs of ranges around it as well.
        if isinstance(path, str) and path.startswith(f"{folder}/"):
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
