"""The key of a source must be unique and not null: checked on what was read, out of core."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.phones import mask_phones_in

_NAMED = 5


def check_keys(parquet_paths: Sequence[Path], column: str) -> None:
    """Refuse null, blank or repeated keys in Parquet files; no file has no key.

    Raises:
        SourceError: names the first five bad keys, or the rows whose key is null.
    """
    if not parquet_paths:
        return
    files = [str(path) for path in parquet_paths]
    quoted = '"' + column.replace('"', '""') + '"'
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        nulls = connection.execute(
            f"SELECT row FROM (SELECT row_number() OVER () AS row, {quoted} AS key "
            "FROM read_parquet($files)) WHERE key IS NULL OR trim(key) = '' ORDER BY row "
            f"LIMIT {_NAMED}",
            {"files": files},
        ).fetchall()
        if nulls:
            rows = ", ".join(str(row[0]) for row in nulls)
            raise SourceError(
                f"source.key must not be null: it is null or blank in row {rows} of the source "
                "(counted as read). Nothing was planned or sent; mend the source."
            )
        doubles = connection.execute(
            f"SELECT {quoted}, count(*) FROM read_parquet($files) GROUP BY 1 "
            f"HAVING count(*) > 1 ORDER BY 1 LIMIT {_NAMED}",
            {"files": files},
        ).fetchall()
    if doubles:
        named = ", ".join(f"{mask_phones_in(repr(key))} ({count} times)" for key, count in doubles)
        raise SourceError(
            f"source.key must be unique, but these keys repeat: {named}. Nothing was planned or "
            "sent; choose the column that identifies a row, or mend the source."
        )
