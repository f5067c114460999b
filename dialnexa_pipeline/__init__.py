"""Warehouse and CRM rows into DialNexa phone conversations, each person at most once."""

import os
import platform
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialnexa_pipeline.components import (
        AlertsComponent,
        DialNexaResource,
        LeadSyncComponent,
        LedgerResource,
        StoreResource,
        WarehouseResource,
        default_resources,
    )
    from dialnexa_pipeline.previewing import preview

__all__ = [
    "AlertsComponent",
    "DialNexaResource",
    "LeadSyncComponent",
    "LedgerResource",
    "StoreResource",
    "WarehouseResource",
    "default_resources",
    "preview",
]

# Arrow's usual pool keeps much of what is freed, and a run is no faster by it. jemalloc keeps least
# and is in Arrow's wheels where this says so. The variable is read when Arrow is first used, and
# nobody's is overruled: `ARROW_DEFAULT_MEMORY_POOL=mimalloc make bench` shows the difference.
_HAS_JEMALLOC = sys.platform == "linux" and platform.machine() == "x86_64"
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc" if _HAS_JEMALLOC else "system")


def __getattr__(name: str) -> object:
    # Dagster takes more than a second to import, and the sandbox and the client need none of it.
    if name in __all__:
        home = "previewing" if name == "preview" else "components"
        return getattr(import_module(f"dialnexa_pipeline.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
