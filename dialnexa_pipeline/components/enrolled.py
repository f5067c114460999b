"""The asset `enrolments`: the only one that sends."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

import dagster as dg

from dialnexa_pipeline.components.checks import (
    CONSERVATION,
    NOTHING_IN_DOUBT,
    conservation,
    nothing_in_doubt,
)
from dialnexa_pipeline.components.resources import (
    DialNexaResource,
    LedgerResource,
    StoreResource,
    WarehouseResource,
)
from dialnexa_pipeline.components.showing import batch_table, outcome_metadata, record_schema
from dialnexa_pipeline.components.windows import partition_key_of, partitions_of
from dialnexa_pipeline.enrolment import send_plan
from dialnexa_pipeline.records import record_counts, record_enrolments, record_rejected_rows
from dialnexa_pipeline.sync import SyncConfig


def enrolments_asset(config: SyncConfig) -> dg.AssetsDefinition:
    """Send the current plan, batch by batch."""
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
                "dagster/column_schema": record_schema("dialnexa_enrolments"),
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
