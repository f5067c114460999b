"""The five assets of a sync, from screened leads to record tables."""

import dagster as dg

from dialnexa_pipeline.components.enrolled import enrolments_asset
from dialnexa_pipeline.components.planned import lead_batches_asset
from dialnexa_pipeline.components.recorded import enrolment_counts_asset, rejected_rows_asset
from dialnexa_pipeline.components.screened import screened_leads_asset
from dialnexa_pipeline.sync import SyncConfig


def sync_assets(config: SyncConfig) -> list[dg.AssetsDefinition]:
    """The assets of one sync, in the order they depend on each other."""
    return [
        screened_leads_asset(config),
        lead_batches_asset(config),
        enrolments_asset(config),
        enrolment_counts_asset(config),
        rejected_rows_asset(config),
    ]
