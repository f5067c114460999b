"""The key of a source must be unique and not null: checked on what was read, out of core."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.phones import mask_phones_in

_NAMED = 5
_MEMORY = "256MB"


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
        # What does not fit goes to the disk, beside the files: millions of keys take no more room.
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET temp_directory = $folder", {"folder": f"{parquet_paths[0]}.tmp"})
        is_blank = f"({quoted} IS NULL OR trim({quoted}) = '')"
        blank = connection.execute(
            f"SELECT count(*) FROM read_parquet($files) WHERE {is_blank}", {"files": files}
        ).fetchone()
        if blank is not None and blank[0]:
            nulls = connection.execute(
                f"SELECT row FROM (SELECT row_number() OVER () AS row, {is_blank} AS is_blank "
                f"FROM read_parquet($files)) WHERE is_blank ORDER BY row LIMIT {_NAMED}",
                {"files": files},
            ).fetchall()
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
