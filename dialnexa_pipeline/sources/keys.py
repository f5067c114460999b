"""The key of a source must be unique and not null: checked on what was read, out of core."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.duckdb_arrow import QUIET
from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.masking import mask_phones_in

_NAMED = 5
# Record tables hold no longer key: a lead with one would be called, and could never be recorded.
_LONGEST = 255
_SHOWN = 40
_MEMORY = "256MB"


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What the keys of a source look like; the first five of each fault are named.

    Attributes:
        rows: rows that were read.
        keys: keys that they have, each counted once.
        blank: rows whose key is null or blank; `blank_rows` are places of such rows, from 1.
        long: rows whose key has more than 255 characters; `long_keys` are (row, key), the keys cut
            short and phones masked.
        repeated: keys that more than one row has; `examples` are (key, rows), phones masked.
    """

    rows: int
    keys: int
    blank: int = 0
    blank_rows: tuple[int, ...] = ()
    long: int = 0
    long_keys: tuple[tuple[int, str], ...] = ()
    repeated: int = 0
    examples: tuple[tuple[str, int], ...] = ()

    @property
    def is_sound(self) -> bool:
        """Each row has a key of its own."""
        return not self.blank and not self.long and not self.repeated

    @property
    def sentence(self) -> str:
        """What is wrong and what to do; blank when nothing is."""
        said: list[str] = []
        if self.blank:
            rows = ", ".join(map(str, self.blank_rows))
            said.append(
                f"source.key must not be null: it is null or blank in {self.blank} of {self.rows} "
                f"rows, as in row {rows} of the source (counted as read)."
            )
        if self.long:
            named = ", ".join(f"{key} in row {row}" for row, key in self.long_keys)
            said.append(
                f"source.key must have {_LONGEST} characters at most, but {self.long} of "
                f"{self.rows} rows have a longer one, such as {named} of the source (counted as "
                "read)."
            )
        if self.repeated:
            named = ", ".join(f"{key} ({count} times)" for key, count in self.examples)
            said.append(
                f"source.key must be unique, but more than one row has the same key for "
                f"{self.repeated} keys, as for {named}."
            )
        if said:
            said.append(
                "Nothing was planned or sent; choose the column that identifies a row, or mend the "
                "source."
            )
        return " ".join(said)


class KeysBroken(SourceError):
    """The key is not unique and not null; `report` counts how often."""

    def __init__(self, report: KeyReport) -> None:
        super().__init__(report.sentence)
        self.report = report


class RisingKeys:
    """Notices keys that rise from row to row, as in most tables: nobody has to count those.

    A longer key is higher than a shorter one, and among equally long ones the bytes decide: so do
    numbers rise, and whatever has a fixed length. Keys that may be blank do not count as rising.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._last: bytes | None = None
        self._rise = True

    def add(self, keys: pa.ChunkedArray) -> None:
        """Look at the keys of the next rows."""
        self._rows += len(keys)
        # One array has no seams, at which the comparisons would have to be cut.
        column = pa.concat_arrays([pa.array([self._last], pa.binary()), *_as_bytes(keys)])
        self._rise = self._rise and _rise(column if self._last is not None else column[1:])
        self._last = column[-1].as_py()

    @property
    def report(self) -> KeyReport | None:
        """What they look like; None where they have to be counted."""
        return KeyReport(self._rows, self._rows) if self._rise else None


def _as_bytes(keys: pa.ChunkedArray) -> list[pa.Array]:
    return [chunk.cast(pa.binary()) for chunk in keys.chunks]


def _rise(keys: pa.Array) -> bool:
    if keys.null_count:
        return False
    # Few keys have more bytes than this; those are counted in characters.
    may_be_long = pc.greater(pc.binary_length(keys), _LONGEST)
    may_be_blank = pc.or_(pc.equal(keys, b""), pc.starts_with(keys, " "))
    lengths = pc.binary_length(keys)
    before, after = lengths[:-1], lengths[1:]
    is_higher = pc.and_(pc.equal(before, after), pc.greater(keys[1:], keys[:-1]))
    rises = pc.or_(pc.less(before, after), is_higher)
    is_doubtful = pc.or_(may_be_blank, may_be_long)
    return not pc.any(is_doubtful).as_py() and pc.all(rises, min_count=0).as_py()


def check_keys(parquet_paths: Sequence[Path], column: str) -> KeyReport:
    """Refuse null, blank, overlong or repeated keys in Parquet files; no file has no key.

    Raises:
        KeysBroken: counts the bad keys and names the first five.
    """
    report = _report(parquet_paths, column)
    if not report.is_sound:
        raise KeysBroken(report)
    return report


def _report(parquet_paths: Sequence[Path], column: str) -> KeyReport:
    if not parquet_paths:
        return KeyReport(0, 0)
    files = [str(path) for path in parquet_paths]
    quoted = '"' + column.replace('"', '""') + '"'
    is_blank = f"({quoted} IS NULL OR trim({quoted}) = '')"
    is_long = f"(length({quoted}) > {_LONGEST} AND NOT {is_blank})"
    with duckdb.connect() as connection:
        connection.execute(QUIET)
        # What does not fit goes to the disk, beside the files: millions of keys take no more room.
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute("SET temp_directory = $folder", {"folder": f"{parquet_paths[0]}.tmp"})
        counted = connection.execute(
            f"SELECT count(*), count(*) FILTER ({is_blank}), count(*) FILTER ({is_long}) "
            "FROM read_parquet($files)",
            {"files": files},
        ).fetchone()
        rows, blank, long = counted if counted is not None else (0, 0, 0)

        def first_rows(which: str) -> list[tuple[int, str]]:
            return connection.execute(
                f"SELECT row, key FROM (SELECT row_number() OVER () AS row, {which} AS is_meant, "
                f"left({quoted}, {_SHOWN}) AS key FROM read_parquet($files)) "
                f"WHERE is_meant ORDER BY row LIMIT {_NAMED}",
                {"files": files},
            ).fetchall()

        blank_rows = first_rows(is_blank) if blank else []
        long_keys = first_rows(is_long) if long else []
        repeated = connection.execute(
            f"SELECT key, rows, count(*) OVER (), sum(rows - 1) OVER () FROM (SELECT {quoted} AS "
            f"key, count(*) AS rows FROM read_parquet($files) WHERE NOT {is_blank} GROUP BY 1 "
            f"HAVING count(*) > 1) ORDER BY key LIMIT {_NAMED}",
            {"files": files},
        ).fetchall()
    surplus = int(repeated[0][3]) if repeated else 0
    return KeyReport(
        rows,
        rows - blank - surplus,
        blank,
        tuple(row for row, _ in blank_rows),
        long,
        tuple((row, mask_phones_in(repr(f"{key}…"))) for row, key in long_keys),
        repeated[0][2] if repeated else 0,
        tuple((mask_phones_in(repr(key)), count) for key, count, *_ in repeated),
    )
