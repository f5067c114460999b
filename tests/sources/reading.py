"""Short ways to configure and to read a source."""

from pathlib import Path

import pyarrow as pa

from dialnexa_pipeline.sources import SourceConfig, Window, open_source

ROWS = 2_500


def config(**changes: object) -> SourceConfig:
    given = {"table": "leads", "key": "id", "phone": "Mobile No", "updated_at": "updated_at"}
    return SourceConfig.model_validate({**given, **changes})


def read(
    source_config: SourceConfig, url: str, columns: list[str], window: Window | None = None
) -> pa.Table:
    source = open_source(
        source_config, warehouse_url=url, columns=columns, window=window, batch_rows=1_000
    )
    return pa.Table.from_batches(list(source.batches()))


def file_config(path: Path, **changes: object) -> SourceConfig:
    return SourceConfig.model_validate(
        {"file": str(path), "key": "id", "phone": "phone", **changes}
    )


def read_file(path: Path, *columns: str) -> pa.Table:
    return read(file_config(path), "", list(columns or ("id", "phone")))
