"""Which PostgreSQL columns have one clean Arrow form, and which are made text in SQL."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from dialnexa_pipeline.sources.adbc import AdbcPlan
from dialnexa_pipeline.sources.declared import type_codes

# Object ids of pg_type never change; psycopg and psycopg2 both tell them.
_CLEAN = frozenset(
    {16, 17, 20, 21, 23, 25, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184}
)  # bool bytea int8 int2 int4 text float4 float8 bpchar varchar date time timestamp timestamptz
_TEXT = frozenset({18, 19, 114, 142, 790, 1560, 1562, 1700, 2950, 3802})
# "char" name json xml money bit varbit numeric uuid jsonb
_FIRST_USER_TYPE = 16_384
_COPIES_SINCE = (9, 0)


class PostgresColumns(NamedTuple):
    """What a probe of the relation found out."""

    as_text: frozenset[str]
    clean: bool


def postgres_columns(
    connection: sa.Connection, relation: sa.FromClause, columns: Sequence[str]
) -> PostgresColumns:
    """Columns to make text in SQL; `clean` when no other than those needs SQLAlchemy to read it.

    What is left over (arrays, ranges, intervals, addresses) is text only as psycopg's objects
    write themselves.
    """
    kinds: dict[str, int] = type_codes(connection, relation, columns)
    as_text = {name for name, kind in kinds.items() if kind in _TEXT or kind >= _FIRST_USER_TYPE}
    # What speaks the protocol but is older (Redshift says 8.0) does not copy out a query.
    version = connection.dialect.server_version_info or (0,)
    rest = {kind for name, kind in kinds.items() if name not in as_text}
    return PostgresColumns(frozenset(as_text), rest <= _CLEAN and version >= _COPIES_SINCE)


def postgres_plan(statement: sa.Select[Any]) -> AdbcPlan:
    """The statement as the server itself reads it: without parameters and doubled percent signs."""
    dialect = postgresql.dialect(paramstyle="named")
    sql = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}).string
    return AdbcPlan(sql, lambda batch: batch, {})
