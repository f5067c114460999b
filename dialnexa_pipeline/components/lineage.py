"""The columns of staged leads and of batch files, and which column each comes from.

The description of a column says it; Dagster+ draws it as lineage too.
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import pyarrow as pa

from dialnexa_pipeline.leads import VARIABLE_PREFIX
from dialnexa_pipeline.sync import SyncConfig

_Columns = dg.TableSchema | dg.TableColumnLineage
_MADE_HERE = {
    "workflow_id": "The workflow that the sync names.",
    "outcome": "Null for a lead that may be planned.",
    "reason": "The code behind the outcome.",
}
_OF_PHONE = ("raw_phone", "phone", "phone_key", "country", "phone_type")


def screened_columns(
    config: SyncConfig, source: dg.AssetKey | None, staged: pa.Schema
) -> dict[str, _Columns]:
    """Metadata of `screened_leads`: each column with its type and where it comes from.

    Args:
        source: None when the source is no asset; then there is no lineage for Dagster+ to draw.
    """
    origins = dict(_sources_of(config))
    types = {field.name: str(field.type) for field in staged}
    shown: dict[str, _Columns] = {"dagster/column_schema": _schema(types, origins, "the source")}
    if source is not None:
        shown["dagster/column_lineage"] = _lineage(source, origins)
    return shown


def uploaded_columns(config: SyncConfig) -> dict[str, _Columns]:
    """Metadata of `lead_batches`: the header of the files, from the staged columns."""
    origins = {"phone_number": ("phone",)}
    origins |= {header: (VARIABLE_PREFIX + header,) for header in config.variables}
    types = dict.fromkeys(origins, "string")
    if config.enrolment_ref is not None:
        types[config.enrolment_ref] = "string"
    upstream = dg.AssetKey([config.name, "screened_leads"])
    return {
        "dagster/column_schema": _schema(types, origins, "screened_leads"),
        "dagster/column_lineage": _lineage(upstream, origins),
    }


def _schema(
    types: Mapping[str, str], origins: Mapping[str, tuple[str, ...]], upstream: str
) -> dg.TableSchema:
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                kind,
                description=f"From {', '.join(origins[name])} of {upstream}."
                if name in origins
                else _MADE_HERE.get(name, "Made here, to recognise the row in DialNexa."),
            )
            for name, kind in types.items()
        ]
    )


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
) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        deps_by_column={
            name: [dg.TableColumnDep(asset_key=upstream, column_name=column) for column in sources]
            for name, sources in columns.items()
        }
    )
