"""About what this machine can do: read columns, one regular expression, write CSV, post.

Not exact: the expression stands for all phone rules, nothing is remembered, nothing is
deduplicated or split by workflow. ADBC reads where it is installed, else COPY.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers.columns import COLUMNS, VARIABLES
from benchmarks.peers.stopwatch import Stopwatch

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE_BYTES = 16_000_000
# With every text in quotes, this many rows stay below 9 MB.
_FILE_ROWS = 32_768
_PUNCTUATION = r"[ \-()']+"
_KEPT = r"^\+?[0-9]{9,14}(\.0)?$"


def main() -> None:
    watch = Stopwatch()
    url, table, base_url, place = sys.argv[1:]
    import httpx
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    watch.lap("imports")
    kept = 0
    with httpx.Client() as client:
        for piece in _read(url, table):
            watch.lap("read")
            digits = pc.replace_substring_regex(piece["mobile"], _PUNCTUATION, "")
            leads = pa.table({"phone_number": digits, **{v: piece[v] for v in VARIABLES}})
            leads = leads.filter(pc.match_substring_regex(digits, _KEPT))
            kept += len(leads)
            watch.lap("phones")
            for start in range(0, len(leads), _FILE_ROWS):
                content = pa.BufferOutputStream()
                pyarrow.csv.write_csv(leads.slice(start, _FILE_ROWS), content)
                watch.lap("csv")
                client.post(
                    f"{base_url}/workflows/limit/leads",
                    files={"file": ("leads.csv", content.getvalue().to_pybytes(), "text/csv")},
                ).raise_for_status()
                watch.lap("upload")
        watch.lap("read")
    watch.tell(Path(place), kept)


def _read(url: str, table: str) -> Iterator["pa.Table"]:
    import pyarrow as pa

    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        yield from _copy(url, table)
        return
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        for batch in cursor.fetch_record_batch():
            yield pa.Table.from_batches([batch])


def _copy(url: str, table: str) -> Iterator["pa.Table"]:
    import psycopg

    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        waiting: list[bytes | memoryview] = []
        size = 0
        # One block is one row.
        with cursor.copy(f"COPY {table} TO STDOUT (FORMAT csv)") as source:
            for row in source:
                waiting.append(row)
                size += len(row)
                if size >= _PIECE_BYTES:
                    yield _parsed(waiting)
                    waiting.clear()
                    size = 0
        if waiting:
            yield _parsed(waiting)


def _parsed(rows: list[bytes | memoryview]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.csv

    text = dict.fromkeys(COLUMNS, pa.string())
    return pyarrow.csv.read_csv(
        pa.BufferReader(b"".join(rows)),
        pyarrow.csv.ReadOptions(column_names=list(COLUMNS)),
        convert_options=pyarrow.csv.ConvertOptions(column_types=text),
    )


main()
