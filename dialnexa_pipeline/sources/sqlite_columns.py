"""SQLite's columns hold values of any type: each value becomes text by its own type, in SQL.

ADBC takes a column's type from its first rows and fails, or loses digits, at a later row of
another type. So every column is asked for as text and, unless its declared type rules it out,
once more as numbers: SQLite's own text of a floating-point number differs between its versions.
"""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.sources.adbc import AdbcPlan
from dialnexa_pipeline.sources.arrays import text_of_value
from dialnexa_pipeline.sources.config import SourceConfig


def sqlite_plan(
    connection: sa.Connection,
    relation: sa.FromClause,
    config: SourceConfig,
    chosen: sa.Select[Any],
    batch_rows: int,
) -> AdbcPlan | None:
    """The plan for a table; None for what has no declared types or is not bound by them."""
    sql = connection.execute(
        sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"),
        {"name": config.table},
    ).scalar()
    if sql is None or str(sql).upper().startswith("CREATE VIRTUAL"):
        return None
    # A column of text affinity stores a number as text, so it never holds one.
    found = sa.inspect(connection).get_columns(str(config.table))
    declared = {str(column["name"]): column["type"] for column in found}
    columns = list(chosen.selected_columns.keys())
    texts: list[sa.ColumnElement[Any]] = []
    reals: list[sa.ColumnElement[Any]] = []
    real_of: list[int | None] = []
    for name in columns:
        column = relation.c[name]
        if name in {config.key, config.phone}:
            texts.append(chosen.selected_columns[name])
            real_of.append(None)
        elif isinstance(declared.get(name), sa.String):
            texts.append(_by_type(column, blob=_hex(column), otherwise=column))
            real_of.append(None)
        else:
            whole = sa.cast(column, sa.Text)
            texts.append(_by_type(column, text=column, integer=whole, blob=_hex(column)))
            real_of.append(len(columns) + len(reals))
            reals.append(_by_type(column, real=column))
    # The first row fixes the types, whatever the table's rows are; it is dropped again.
    first = sa.select(
        *(sa.literal("").label(f"t{at}") for at in range(len(texts))),
        *(sa.literal(0.5).label(f"r{at}") for at in range(len(reals))),
    )
    statement = sa.union_all(first, chosen.with_only_columns(*texts, *reals))
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    shape = _Shape(columns, real_of)
    return AdbcPlan(compiled.string, shape, {"adbc.sqlite.query.batch_rows": str(batch_rows)})


class _Shape:
    """Drops the first row, and lays texts and numbers together."""

    def __init__(self, columns: Sequence[str], real_of: Sequence[int | None]) -> None:
        self._columns = list(columns)
        self._real_of = list(real_of)
        self._begun = False

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = batch if self._begun else batch.slice(1)
        self._begun = True
        arrays = [
            rows.column(at) if real is None else _joined(rows.column(at), rows.column(real))
            for at, real in enumerate(self._real_of)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=self._columns)


def _by_type(
    column: sa.ColumnElement[Any],
    otherwise: sa.ColumnElement[Any] | None = None,
    **forms: sa.ColumnElement[Any],
) -> sa.ColumnElement[Any]:
    return sa.case(forms, value=sa.func.typeof(column), else_=otherwise)


def _hex(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.lower(sa.func.hex(column))


def _joined(texts: pa.Array, reals: pa.Array) -> pa.Array:
    if reals.null_count == len(reals):
        return texts
    return pc.coalesce(texts, pa.array(map(text_of_value, reals.to_pylist()), pa.string()))
