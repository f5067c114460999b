"""Record tables held against the ledger, row by row, on disk: memory does not grow with them."""

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.duckdb_arrow import QUIET
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.records.rebuilding import LEDGER_ROWS
from dialnexa_pipeline.records.tables import record_tables
from dialnexa_pipeline.records.warehouse import arrow_of, open_records

_MEMORY = "256MB"
# When a row was written is no part of what it says.
_NOT_COMPARED = frozenset({"recorded_at"})


@dataclass(frozen=True, slots=True)
class Difference:
    """How one record table differs from the ledger, in rows.

    Attributes:
        missing: in the ledger only.
        extra: in the warehouse only, or once more than in the ledger.
        different: in both, with other values.
    """

    missing: int
    extra: int
    different: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.different)


def differences(
    ledger: Ledger, warehouse_url: str, sync: str | None = None
) -> dict[str, Difference]:
    """Record table → how it differs from the ledger, for one sync or every sync of the ledger.

    Moments may differ by a second, because some warehouses keep no fractions. What the ledger
    changed and nobody recorded yet is a difference.

    Raises:
        WarehouseUnavailable: the warehouse cannot be read.
    """
    syncs = [sync] if sync is not None else ledger.accounts.syncs()
    found: dict[str, Difference] = {}
    for name, (_, rows_of) in LEDGER_ROWS.items():
        table = record_tables().tables[name]
        with tempfile.TemporaryDirectory() as folder, _Sides(Path(folder), table) as sides:
            for each in syncs:
                for piece in rows_of(ledger, each):
                    sides.add("ledger", piece.select(table.columns.keys()))
            with open_records(warehouse_url) as records:
                for each in syncs:
                    for rows in records.read(name, each):
                        sides.add("warehouse", rows)
            found[name] = sides.compare()
    return found


class _Sides:
    """Both sides of one table in a database on disk, where they are joined."""

    def __init__(self, folder: Path, table: sa.Table) -> None:
        self._table = table
        self._database = duckdb.connect(str(folder / "sides.duckdb"))
        self._database.execute(QUIET)
        self._database.execute(f"SET memory_limit = '{_MEMORY}'")
        for side in ("ledger", "warehouse"):
            self._database.register("none", arrow_of(table, []))
            self._database.execute(f"CREATE TABLE {side} AS FROM none")

    def __enter__(self) -> "_Sides":
        return self

    def __exit__(self, *_error: object) -> None:
        self._database.close()

    def add(self, side: str, rows: pa.Table) -> None:
        self._database.register("incoming", rows)
        self._database.execute(f"INSERT INTO {side} FROM incoming")

    def compare(self) -> Difference:
        keys = [column.name for column in self._table.primary_key.columns]
        differs = " OR ".join(
            _differs(column)
            for column in self._table.columns
            if column.name not in _NOT_COMPARED and column.name not in keys
        )
        row = self._database.execute(
            f"SELECT count(*) FILTER (w.{keys[0]} IS NULL), "
            f"count(*) FILTER (l.{keys[0]} IS NULL), "
            f"count(*) FILTER (l.{keys[0]} IS NOT NULL AND w.{keys[0]} IS NOT NULL "
            f"AND ({differs})) FROM ledger l FULL JOIN warehouse w ON "
            + " AND ".join(f"l.{key} = w.{key}" for key in keys)
        ).fetchone()
        # A table that somebody made anew has no key, and may hold a row twice.
        doubled = self._database.execute(
            f"SELECT count(*) - count(DISTINCT ({', '.join(keys)})) FROM warehouse"
        ).fetchone()
        assert row is not None
        assert doubled is not None
        missing, extra, different = row
        return Difference(missing, extra + doubled[0], different)


def _differs(column: sa.Column[Any]) -> str:
    left, right = f"l.{column.name}", f"w.{column.name}"
    if column.type.python_type is datetime:
        apart = f"abs(epoch_us({left}) - epoch_us({right})) > 1000000"
        return f"(({left} IS NULL) <> ({right} IS NULL) OR coalesce({apart}, false))"
    return f"({left} IS DISTINCT FROM {right})"
