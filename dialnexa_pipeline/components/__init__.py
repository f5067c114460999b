"""Dagster's face of the pipeline: the components, their assets and the resources."""

from dialnexa_pipeline.components.alerts import AlertsComponent, alerts_definitions
from dialnexa_pipeline.components.lead_sync import LeadSyncComponent, sync_definitions
from dialnexa_pipeline.components.resources import (
    DialNexaResource,
    LedgerResource,
    StoreResource,
    WarehouseResource,
    default_resources,
)

__all__ = [
    "AlertsComponent",
    "DialNexaResource",
    "LeadSyncComponent",
    "LedgerResource",
    "StoreResource",
    "WarehouseResource",
    "alerts_definitions",
    "default_resources",
    "sync_definitions",
]
