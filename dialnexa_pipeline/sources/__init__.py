"""Leads as Arrow record batches from a table, a query or a file."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources.config import Since, SourceConfig, Window
from dialnexa_pipeline.sources.keys import KeyReport, KeysBroken, RisingKeys, check_keys
from dialnexa_pipeline.sources.relation import RelationSource
from dialnexa_pipeline.sources.spreadsheet import FileSource, column_names, told_of_header


class Source(Protocol):
    """Something that leads can be read from, once or again."""

    @property
    def description(self) -> str: ...

    def batches(self) -> Iterator[pa.RecordBatch]: ...


def open_source(
    config: SourceConfig,
    *,
    warehouse_url: str,
    columns: Sequence[str],
    window: Window | Since | None = None,
    batch_rows: int = 65_536,
) -> Source:
    """The source that a sync names; nothing is opened before its batches are read.

    Args:
        columns: source columns to read, each once.
        window: only rows whose `updated_at` lies in it, or is no older; files have no windows.

    Raises:
        ConfigError: the warehouse's URL is none.
        SourceError: the query writes, or a window is asked of a source that has none.
    """
    if window is not None and config.file is not None:
        raise SourceError(
            "source.file cannot be cut into partitions; remove partitions from the sync, or load "
            "the file into the warehouse."
        )
    if window is not None and config.updated_at is None:
        raise SourceError("source.updated_at is missing; a window needs the column it cuts by.")
    if config.file is not None:
        return FileSource(config, columns=columns, batch_rows=batch_rows)
    return RelationSource(
        config,
        url=warehouse_url,
        columns=columns,
        window=window,
        batch_rows=batch_rows,
    )


def newest_moment(
    config: SourceConfig, *, warehouse_url: str, since: Since | None, until: datetime
) -> datetime | None:
    """The newest `updated_at` that is `since` or later, and not after `until`.

    Raises:
        ConfigError: the warehouse's URL is none.
        SourceError: the relation or the column is missing, or holds no moments.
    """
    source = RelationSource(config, url=warehouse_url, columns=[], window=since, batch_rows=1)
    return source.newest(until)


def count_untimely(config: SourceConfig, *, warehouse_url: str) -> int:
    """How many rows have no moment in `updated_at`, so that no window holds them.

    Raises:
        ConfigError: the warehouse's URL is none.
        SourceError: the relation or the column is missing.
    """
    source = RelationSource(config, url=warehouse_url, columns=[], window=None, batch_rows=1)
    return source.untimely()


__all__ = [
    "KeyReport",
    "KeysBroken",
    "RisingKeys",
    "Since",
    "Source",
    "SourceConfig",
    "Window",
    "check_keys",
    "column_names",
    "count_untimely",
    "newest_moment",
    "open_source",
    "told_of_header",
]
