"""Dagster's face of the pipeline: the component, its assets and the resources."""

from dialnexa_pipeline.components.lead_sync import LeadSyncComponent, sync_definitions
from dialnexa_pipeline.components.resources import (
    DialNexaResource,
    LedgerResource,
    StoreResource,
    WarehouseResource,
    default_resources,
)

__all__ = [
    "DialNexaResource",
    "LeadSyncComponent",
    "LedgerResource",
    "StoreResource",
    "WarehouseResource",
    "default_resources",
    "sync_definitions",
]
