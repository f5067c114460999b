"""What is asked of the warehouse: the relation with its columns, and one SELECT over it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources.config import SourceConfig, Window
from dialnexa_pipeline.sources.warehouse import shown

_NOT_CODE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.S)
_READS = re.compile(r"[\s(]*(?:select|with)\b", re.I)
_KEEPS_NO_ZONE = frozenset({"duckdb", "mysql", "mariadb"})
_SQLITE_MOMENT = "%Y-%m-%d %H:%M:%f"


def refuse_writing(query: str) -> None:
    """Refuse what is not one SELECT; the read-only connection stands behind this.

    Raises:
        SourceError: the query is another statement, or several.
    """
    code = _NOT_CODE.sub(" ", query).strip().removesuffix(";")
    if not _READS.match(code) or ";" in code:
        raise SourceError(
            "source.query must be one SELECT (or WITH … SELECT) statement; it is run read-only. "
            "Move anything else into the warehouse's own models."
        )


def relation_of(
    connection: sa.Connection, config: SourceConfig, wanted: Sequence[str]
) -> sa.FromClause:
    """The table or query with its columns, all of the wanted ones among them.

    Raises:
        SourceError: there is no such table, or a wanted column is missing.
    """
    if config.query is not None:
        relation = _query(connection, config.query)
    else:
        relation = _table(connection, str(config.table))
    available = list(relation.c.keys())
    missing = [column for column in wanted if column not in available]
    if missing:
        raise SourceError(
            f"The source {config.table or 'query'} has no column "
            f"{', '.join(repr(column) for column in missing)}; its columns are "
            f"{', '.join(available)}. Correct the sync's source or variables."
        )
    return relation


def select_leads(
    relation: sa.FromClause,
    config: SourceConfig,
    columns: Sequence[str],
    window: Window | None,
    dialect: str,
) -> sa.Select[Any]:
    """The columns in their order, key and phone as text, rows of the window only."""
    text = sa.CHAR if dialect in {"mysql", "mariadb"} else sa.Text
    statement = sa.select(
        *(
            sa.cast(relation.c[name], text).label(name)
            if name in {config.key, config.phone}
            else relation.c[name].label(name)
            for name in columns
        )
    )
    if window is None or config.updated_at is None:
        return statement
    moment: sa.ColumnElement[Any] = relation.c[config.updated_at]
    if dialect == "sqlite":
        # SQLite keeps moments as text in many spellings; its own function brings them to one.
        moment = sa.func.strftime(_SQLITE_MOMENT, moment)
    return statement.where(
        moment >= _bound(window.start, dialect), moment < _bound(window.end, dialect)
    )


def _bound(moment: datetime, dialect: str) -> datetime | str:
    utc = moment.astimezone(UTC)
    if dialect == "sqlite":
        return utc.replace(tzinfo=None).isoformat(" ", "milliseconds")
    return utc.replace(tzinfo=None) if dialect in _KEEPS_NO_ZONE else utc


def _table(connection: sa.Connection, table: str) -> sa.FromClause:
    schema, _, name = table.rpartition(".")
    try:
        found = sa.inspect(connection).get_columns(name, schema=schema or None)
    except NoSuchTableError:
        found = []
    if not found:
        raise SourceError(
            f"source.table: there is no {table!r} in {shown(connection.engine.url)}. Create it, "
            "or correct the name (schema.table)."
        )
    columns = [sa.column(str(column["name"])) for column in found]
    return sa.table(name, *columns, schema=schema or None)


def _query(connection: sa.Connection, query: str) -> sa.FromClause:
    # The line break ends a comment that the query may close with.
    inner = query.strip().removesuffix(";").replace(":", r"\:") + "\n"
    with connection.execute(sa.text(f"SELECT * FROM ({inner}) AS leads WHERE 1 = 0")) as probe:
        names = list(probe.keys())
    return sa.text(inner).columns(*(sa.column(name) for name in names)).subquery("leads")
