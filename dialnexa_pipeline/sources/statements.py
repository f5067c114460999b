"""What is asked of the warehouse: the relation with its columns, and one SELECT over it."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from dialnexa_pipeline.database_errors import shown
from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources.config import Since, SourceConfig, Window
from dialnexa_pipeline.sources.declared import Declared

_NOT_CODE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.S)
_READS = re.compile(r"[\s(]*(?:select|with)\b", re.I)
_SQLITE_MOMENT = "%Y-%m-%d %H:%M:%f"
# What Python can say of an older moment depends on the driver.
_OLDEST = datetime(1970, 1, 1, tzinfo=UTC)


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
    missing = [column for column in dict.fromkeys(wanted) if column not in available]
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
    window: Window | Since | None,
    dialect: str,
    *,
    declared: Mapping[str, Declared],
    as_text: Collection[str] = (),
) -> sa.Select[Any]:
    """The columns in their order, rows of the window only; key, phone and `as_text` are text."""

    def form(name: str) -> sa.ColumnElement[Any]:
        if name == config.phone:
            return _phone(relation.c[name], dialect, declared.get(name))
        return (
            _as_text(relation.c[name], dialect)
            if name in {config.key, *as_text}
            else relation.c[name]
        )

    statement = sa.select(*(form(name).label(name) for name in columns))
    if window is None or config.updated_at is None:
        return statement
    moment = relation.c[config.updated_at]
    return statement.where(_within(moment, window, dialect, declared.get(config.updated_at)))


def select_newest(
    column: sa.ColumnElement[Any],
    window: Window | Since | None,
    until: datetime,
    dialect: str,
    *,
    declared: Declared,
) -> sa.Select[Any]:
    """The newest moment of a column within a window and not after `until`.

    A moment to come would keep every row before it from being read.
    """
    moment = _moment(column, dialect)
    # DuckDB hands out a moment with a zone only where pytz is installed.
    shown = sa.cast(moment, sa.TIMESTAMP) if dialect == "duckdb" else moment
    statement = sa.select(sa.func.max(shown)).where(
        moment >= _bound(_OLDEST, dialect), moment <= _bound(until, dialect)
    )
    return (
        statement if window is None else statement.where(_within(column, window, dialect, declared))
    )


def count_untimely(relation: sa.FromClause, column: str, dialect: str) -> sa.Select[Any]:
    """How many rows have no moment, and so lie in no window."""
    is_missing = _moment(relation.c[column], dialect).is_(None)
    return sa.select(sa.func.count()).select_from(relation).where(is_missing)


def moment_of(value: object, column: str) -> datetime | None:
    """A moment as a driver tells it, in UTC, which is the zone of the session.

    Raises:
        SourceError: it is none.
    """
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise SourceError(
            f"source.updated_at: the column {column!r} holds {type(value).__name__} values, and "
            "no moments. Name a column of dates or timestamps, or set cursor: false."
        )
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _moment(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """SQLite keeps moments as text in many spellings; its own function brings them to one."""
    return sa.func.strftime(_SQLITE_MOMENT, column) if dialect == "sqlite" else column


def _within(
    column: sa.ColumnElement[Any],
    window: Window | Since,
    dialect: str,
    declared: Declared | None,
) -> sa.ColumnElement[bool]:
    if declared == "day":
        return _within_days(sa.func.date(column) if dialect == "sqlite" else column, window)
    moment = _moment(column, dialect)
    is_after = moment >= _bound(window.start, dialect)
    if isinstance(window, Since):
        return sa.or_(moment.is_(None), is_after)
    return sa.and_(is_after, moment < _bound(window.end, dialect))


def _within_days(day: sa.ColumnElement[Any], window: Window | Since) -> sa.ColumnElement[bool]:
    """A day has no hour: a window holds every day of its own zone's calendar that it touches."""
    is_after = day >= sa.literal(window.start.date())
    if isinstance(window, Since):
        return sa.or_(day.is_(None), is_after)
    return sa.and_(is_after, day <= sa.literal(window.last_day))


def _phone(
    column: sa.ColumnElement[Any], dialect: str, declared: Declared | None
) -> sa.ColumnElement[Any]:
    """A number as its digits: a zero behind the point would be dialled as one more of them."""
    text = _as_text(column, dialect)
    if dialect == "sqlite":
        whole = sa.func.printf("%.15g", column)
        return sa.case({"real": whole}, value=sa.func.typeof(column), else_=text)
    if declared == "decimal":
        whole = sa.func.floor(column)
        return sa.case((column == whole, _as_text(whole, dialect)), else_=text)
    if declared == "double" and dialect == "duckdb":
        return sa.func.regexp_replace(text, r"\.0$", "")
    return text


def _as_text(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    if dialect == "sqlite":
        # How a cast writes a floating-point number differs between versions of SQLite, and a key
        # must stay the same with each.
        number = sa.func.printf("%!.15g", column)
        return sa.case(
            {"real": number}, value=sa.func.typeof(column), else_=sa.cast(column, sa.Text)
        )
    return sa.cast(column, sa.CHAR if dialect in {"mysql", "mariadb"} else sa.Text)


def _bound(moment: datetime, dialect: str) -> Any:
    utc = moment.astimezone(UTC)
    if dialect == "sqlite":
        return utc.replace(tzinfo=None).isoformat(" ", "milliseconds")
    if dialect == "postgresql":
        # Without its type, a moment beside a date would lose its hours.
        return sa.cast(utc, sa.TIMESTAMP(timezone=True))
    if dialect == "duckdb":
        return sa.cast(utc.replace(tzinfo=None), sa.TIMESTAMP)
    return utc.replace(tzinfo=None) if dialect in {"mysql", "mariadb"} else utc


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
