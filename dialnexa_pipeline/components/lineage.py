"""Which source column each staged column and each uploaded variable comes from."""

from collections.abc import Iterator, Mapping

import dagster as dg

from dialnexa_pipeline.leads import VARIABLE_PREFIX
from dialnexa_pipeline.sync import SyncConfig

_OF_PHONE = ("raw_phone", "phone", "phone_key", "country", "phone_type")


def screened_lineage(
    config: SyncConfig, source: dg.AssetKey | None
) -> dict[str, dg.TableColumnLineage]:
    """Metadata of `screened_leads`; none when the source is no asset."""
    if source is None:
        return {}
    return _lineage(source, dict(_sources_of(config)))


def uploaded_lineage(config: SyncConfig) -> dict[str, dg.TableColumnLineage]:
    """Metadata of `lead_batches`: the header of the files, from the staged columns."""
    columns = {"phone_number": ("phone",)}
    columns |= {header: (VARIABLE_PREFIX + header,) for header in config.variables}
    return _lineage(dg.AssetKey([config.name, "screened_leads"]), columns)


def _sources_of(config: SyncConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "lead_key", (config.source.key,)
    phone = [config.source.phone]
    if config.source.country is not None:
        phone.append(config.source.country)
    for column in _OF_PHONE:
        yield column, tuple(phone if column != "raw_phone" else phone[:1])
    if config.workflow_column is not None:
        yield "workflow_id", (config.workflow_column,)
    for header, column in config.variables.items():
        yield VARIABLE_PREFIX + header, (column,)


def _lineage(
    upstream: dg.AssetKey, columns: Mapping[str, tuple[str, ...]]
) -> dict[str, dg.TableColumnLineage]:
    deps = {
        name: [dg.TableColumnDep(asset_key=upstream, column_name=column) for column in sources]
        for name, sources in columns.items()
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps_by_column=deps)}
