"""The assets `enrolment_counts` and `rejected_rows`: record tables that follow the ledger."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

import dagster as dg

from dialnexa_pipeline.components.automation import condition_of
from dialnexa_pipeline.components.checks import MATCHES_LEDGER, check_spec, compared
from dialnexa_pipeline.components.describing import (
    asset_tags,
    describe_enrolment_counts,
    describe_rejected_rows,
)
from dialnexa_pipeline.components.resources import LedgerResource, WarehouseResource
from dialnexa_pipeline.components.showing import (
    reason_numbers,
    reason_table,
    record_schema,
    sample_table,
)
from dialnexa_pipeline.components.windows import backfill_policy_of, partition_key_of, partitions_of
from dialnexa_pipeline.enrolment import SampleRow
from dialnexa_pipeline.records import (
    record_counts,
    record_rejected_rows,
    tally_counts,
    tally_rejected_rows,
)
from dialnexa_pipeline.sync import SyncConfig


def enrolment_counts_asset(config: SyncConfig) -> dg.AssetsDefinition:
    """Bring `dialnexa_enrolment_counts` up to the ledger."""
    key = dg.AssetKey([config.name, "enrolment_counts"])

    @dg.asset(
        name="enrolment_counts",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        tags=asset_tags(config),
        kinds={"table"},
        deps=[dg.AssetKey([config.name, "enrolments"])],
        partitions_def=partitions_of(config),
        backfill_policy=backfill_policy_of(config),
        automation_condition=condition_of(config, "enrolment_counts"),
        check_specs=[check_spec(MATCHES_LEDGER, key)],
        description=describe_enrolment_counts(config),
    )
    def enrolment_counts(
        context: dg.AssetExecutionContext, ledger: LedgerResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        with ledger.open() as opened:
            rows = record_counts(opened, warehouse.url, config.name)
            plan = opened.plans.current(sync=config.name, partition_key=partition_key_of(context))
            check = compared(
                lambda: tally_counts(opened, warehouse.url, config.name, plan), config.name
            )
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "leads/enrolled": sum(row.enrolled for row in rows),
                "source_rows": sum(row.source_rows for row in rows),
                "dagster/column_schema": record_schema("dialnexa_enrolment_counts"),
            },
            check_results=[check],
        )

    return enrolment_counts


def rejected_rows_asset(config: SyncConfig) -> dg.AssetsDefinition:
    """Bring `dialnexa_rejected_rows` up to the ledger."""
    key = dg.AssetKey([config.name, "rejected_rows"])

    @dg.asset(
        name="rejected_rows",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        tags=asset_tags(config),
        kinds={"table"},
        deps=[dg.AssetKey([config.name, "enrolments"])],
        partitions_def=partitions_of(config),
        backfill_policy=backfill_policy_of(config),
        automation_condition=condition_of(config, "rejected_rows"),
        check_specs=[check_spec(MATCHES_LEDGER, key)],
        description=describe_rejected_rows(config),
    )
    def rejected_rows(
        context: dg.AssetExecutionContext, ledger: LedgerResource, warehouse: WarehouseResource
    ) -> dg.MaterializeResult:
        with ledger.open() as opened:
            record_rejected_rows(opened, warehouse.url, config.name)
            plan = opened.plans.current(sync=config.name, partition_key=partition_key_of(context))
            account = opened.accounts.of_plan(plan.plan_id) if plan is not None else None
            rows = opened.accounts.rejected_sample(plan, 20) if plan is not None else []
            check = compared(
                lambda: tally_rejected_rows(opened, warehouse.url, config.name), config.name
            )
        sample = [SampleRow.masked(row.lead_key, row.raw_phone, row.reason) for row in rows]
        standing = [
            count
            for count in (account.counts if account is not None else ())
            if count.outcome != "enrolled" and count.reason != "duplicate/already_enrolled"
        ]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(count.leads for count in standing),
                "reasons": reason_table(standing),
                "sample": sample_table(sample),
                "all_rows": dg.MetadataValue.md(
                    "They stand in the table `dialnexa_rejected_rows`; "
                    f"`dialnexa rejected {config.name} --xlsx mend.xlsx` writes them to a sheet."
                ),
                **reason_numbers(standing),
                "dagster/column_schema": record_schema("dialnexa_rejected_rows"),
            },
            check_results=[check],
        )

    return rejected_rows
