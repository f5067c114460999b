"""The four resources of a sync: DialNexa, the ledger, the warehouse and the store."""

import os
from dataclasses import replace
from typing import Any

import dagster as dg
from pydantic import Field
from pydantic.config import JsonDict

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.connecting import open_client
from dialnexa_pipeline.ledger import Ledger, ledger_exists
from dialnexa_pipeline.settings import DEFAULT_BASE_URL, Settings
from dialnexa_pipeline.store import Store

_SECRET: JsonDict = {"dagster__is_secret": True}


class DialNexaResource(dg.ConfigurableResource["DialNexaResource"]):
    """Access to DialNexa's API; the key has the form `key_id:secret`."""

    base_url: str = DEFAULT_BASE_URL
    api_key: str = Field(default="", json_schema_extra=_SECRET, repr=False)

    def client(self) -> DialNexaClient:
        """A client to use as a context manager.

        Raises:
            ConfigError: no key is set, or the base URL is not https.
        """
        settings = Settings.from_environment()
        return open_client(replace(settings, base_url=self.base_url, api_key=self.api_key))


class LedgerResource(dg.ConfigurableResource["LedgerResource"]):
    """The ledger's database: a SQLite file or PostgreSQL."""

    url: str = Field(json_schema_extra=_SECRET, repr=False)

    def open(self) -> Ledger:
        """The ledger, to use as a context manager."""
        return Ledger(self.url)

    def exists(self) -> bool:
        """Whether there is a ledger to open; asking makes none."""
        return ledger_exists(self.url)


class WarehouseResource(dg.ConfigurableResource["WarehouseResource"]):
    """The warehouse that holds the source relations and the record tables."""

    url: str = Field(json_schema_extra=_SECRET, repr=False)


class StoreResource(dg.ConfigurableResource["StoreResource"]):
    """Where screened leads and batch files live: a folder or an object-storage URL."""

    url: str = Field(json_schema_extra=_SECRET, repr=False)

    def open(self) -> Store:
        return Store(self.url)


def default_resources() -> dict[str, dg.ResourceDefinition]:
    """The four resources, bound from `DIALNEXA_*` with defaults under `DIALNEXA_HOME`.

    A variable that is set is referred to by name, so its value never reaches run config. A run
    cannot configure them: the launchpad would show stars in place of what is secret, and the run
    would be given the stars.
    """
    settings = Settings.from_environment()
    return {
        "dialnexa": _bound(
            DialNexaResource,
            base_url=_from_environment("DIALNEXA_BASE_URL", settings.base_url),
            api_key=_from_environment("DIALNEXA_API_KEY", ""),
        ),
        "ledger": _bound(
            LedgerResource,
            url=_from_environment("DIALNEXA_LEDGER_URL", settings.ledger_url),
        ),
        "warehouse": _bound(
            WarehouseResource,
            url=_from_environment("DIALNEXA_WAREHOUSE_URL", settings.warehouse_url),
        ),
        "store": _bound(
            StoreResource,
            url=_from_environment("DIALNEXA_STORE_URL", settings.store_url),
        ),
    }


def _bound(
    resource: type[dg.ConfigurableResource[Any]], **config: str | dict[str, str]
) -> dg.ResourceDefinition:
    return resource.configure_at_launch().get_resource_definition().configured(config)


def _from_environment(name: str, default: str) -> str | dict[str, str]:
    return {"env": name} if os.environ.get(name) else default
