"""The asset `lead_progress`: what became of enrolled leads, as DialNexa lists them."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

import time
from collections.abc import Sequence

import dagster as dg

from dialnexa_pipeline.api import ApiError
from dialnexa_pipeline.components.describing import asset_tags, describe_lead_progress
from dialnexa_pipeline.components.interrupted import ending_canceled
from dialnexa_pipeline.components.resources import (
    DialNexaResource,
    LedgerResource,
    WarehouseResource,
)
from dialnexa_pipeline.components.showing import per_second, progress_table, record_schema
from dialnexa_pipeline.enrolment import observe_workflow
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.records import ProgressRecorder, WorkflowProgress
from dialnexa_pipeline.sync import SyncConfig


def lead_progress_asset(config: SyncConfig) -> dg.AssetsDefinition:
    """List each workflow that the sync enrolled into, and record what changed."""

    @dg.asset(
        name="lead_progress",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        tags=asset_tags(config),
        kinds={"dialnexa", "table"},
        deps=[dg.AssetKey([config.name, "enrolments"])],
        description=describe_lead_progress(config),
    )
    def lead_progress(
        context: dg.AssetExecutionContext,
        dialnexa: DialNexaResource,
        ledger: LedgerResource,
        warehouse: WarehouseResource,
    ):
        started = time.monotonic()
        problems: list[str] = []
        with (
            ending_canceled(context),
            ledger.open() as opened,
            ProgressRecorder(opened, config.name) as recorder,
        ):
            with dialnexa.client() as client:
                for workflow_id, ref_columns in _workflows(opened, config.name).items():
                    pieces = observe_workflow(client, workflow_id, ref_columns)
                    try:
                        recorder.add(workflow_id, pieces)
                    except ApiError as error:
                        problems.append(f"Workflow {workflow_id}: {error}")
            progress = recorder.write(warehouse.url, context.run.run_id)
        # What is yielded before a failure is kept: the other workflows are recorded.
        if progress or not problems:
            yield _explained(progress, started)
        if problems:
            raise dg.Failure(" ".join(problems), allow_retries=False)

    return lead_progress


def _workflows(ledger: Ledger, sync: str) -> dict[str, list[str]]:
    """Workflow → the headers under which the sync uploaded correlation values to it."""
    found: dict[str, list[str]] = {}
    for batch in ledger.accounts.sent_batches(sync):
        columns = found.setdefault(batch.workflow_id, [])
        if batch.ref_column and batch.ref_column not in columns:
            columns.append(batch.ref_column)
    return found


def _explained(progress: Sequence[WorkflowProgress], started: float) -> dg.MaterializeResult:
    statuses: dict[str, int] = {}
    for each in progress:
        for status, leads in each.statuses.items():
            statuses[status] = statuses.get(status, 0) + leads
    listed = sum(statuses.values())
    followed = listed + sum(each.unlisted for each in progress)
    completed = statuses.get("completed", 0)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": listed,
            "workflows": progress_table(progress),
            "changes": sum(each.changes for each in progress),
            **{f"leads/{status}": leads for status, leads in sorted(statuses.items())},
            "leads_unlisted": sum(each.unlisted for each in progress),
            "leads_of_others": sum(each.of_others for each in progress),
            "share_completed": round(completed / followed, 4) if followed else 0.0,
            "leads_per_second": per_second(
                listed + sum(each.of_others for each in progress), started
            ),
            "dagster/column_schema": record_schema("dialnexa_lead_progress"),
        }
    )
