"""Many rows of a select as an Arrow table: a row of the driver's costs more than all its values.

Each column comes home as one JSON document. Of columns that mostly hold one value it is the values
that differ, so that what thousands of rows share is neither spelled nor read for each of them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import MOMENT
from dialnexa_pipeline.ledger.tables import UtcDateTime


class Gathering:
    """A select that is built once and read as a table many times.

    Args:
        rows: a select of texts, integers and moments.
        alike: columns that are likely to hold one value, or null, in all rows; not all columns.
    """

    def __init__(self, rows: sa.Select[*tuple[Any, ...]], *, alike: Collection[str] = ()) -> None:
        self._rows = rows
        self._types = {name: _arrow_type(column) for name, column in rows.selected_columns.items()}
        self._alike = frozenset(alike)
        self._statements: dict[tuple[str, bool], sa.Select[*tuple[Any, ...]]] = {}

    def read(self, connection: sa.Connection, parameters: Mapping[str, object]) -> pa.Table:
        """The rows in the select's order, moments in UTC."""
        found = self._documents(connection, parameters, distinct=True)
        if any(len(found[name]) > 1 for name in self._alike):
            found = self._documents(connection, parameters, distinct=False)
        rows = max(map(len, found.values()))
        columns: dict[str, pa.Array] = {}
        for name, kind in self._types.items():
            column = _moments(found[name]) if kind == MOMENT else pa.array(found[name], kind)
            # A value that all rows share came once.
            columns[name] = column if len(column) == rows else pa.repeat(column[0], rows)
        return pa.table(columns)

    def _documents(
        self, connection: sa.Connection, parameters: Mapping[str, object], *, distinct: bool
    ) -> dict[str, list[Any]]:
        """The values of each column; of those that are alike only the distinct ones, if wanted."""
        dialect = connection.dialect.name
        statement = self._statements.get((dialect, distinct))
        if statement is None:
            statement = self._gathered(dialect, self._alike if distinct else frozenset())
            self._statements[dialect, distinct] = statement
        documents = connection.execute(statement, parameters).one()
        return {
            name: json.loads(document) if isinstance(document, str) else document or []
            for name, document in zip(self._types, documents, strict=True)
        }

    def _gathered(self, dialect: str, alike: Collection[str]) -> sa.Select[*tuple[Any, ...]]:
        gather = sa.func.json_group_array if dialect == "sqlite" else sa.func.json_agg
        columns = self._rows.subquery().c
        return sa.select(
            *(gather(each.distinct() if name in alike else each) for name, each in columns.items())
        )


def _arrow_type(column: sa.ColumnElement[Any]) -> pa.DataType:
    if isinstance(column.type, UtcDateTime):
        return MOMENT
    return pa.int64() if isinstance(column.type, sa.Integer) else pa.string()


def _moments(texts: Sequence[str | None]) -> pa.Array:
    """Those of SQLite name no zone and are in UTC."""
    moments = pa.array(texts, pa.string())
    # A database spells all of them in one way.
    if "T" in (next(filter(None, texts), None) or ""):
        return moments.cast(MOMENT)
    return moments.cast(pa.timestamp("us")).cast(MOMENT)
