"""What a column of a relation is declared as, as far as its warehouse tells; no row is read."""

from collections.abc import Sequence
from typing import Any, Literal

import sqlalchemy as sa

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources.config import SourceConfig

Declared = Literal["single", "double", "decimal", "day", "moment", "other", "untold"]

# Object ids of pg_type, and type codes of the MySQL protocol, never change.
_CODES: dict[str, dict[object, Declared]] = {
    "postgresql": {
        700: "single",
        701: "double",
        1700: "decimal",
        1082: "day",
        1114: "moment",
        1184: "moment",
    },
    "mysql": {
        4: "single",
        5: "double",
        0: "decimal",
        246: "decimal",
        10: "day",
        7: "moment",
        12: "moment",
    },
    "duckdb": {
        "FLOAT": "single",
        "DOUBLE": "double",
        "DECIMAL": "decimal",
        "DATE": "day",
        "TIMESTAMP": "moment",
        "TIMESTAMP_S": "moment",
        "TIMESTAMP_MS": "moment",
        "TIMESTAMP_NS": "moment",
        "TIMESTAMP WITH TIME ZONE": "moment",
    },
}
_CODES["mariadb"] = _CODES["mysql"]
# SQLite keeps moments in columns of any type but these; of other warehouses too little is known.
_NO_MOMENTS = (sa.Integer, sa.Float, sa.Boolean)


def type_codes(
    connection: sa.Connection, relation: sa.FromClause, columns: Sequence[str]
) -> dict[str, Any]:
    """What the driver says of each column's type before any row is read."""
    probe = sa.select(*(relation.c[name] for name in columns)).where(sa.false())
    with connection.execute(probe) as result:
        cursor: Any = result.cursor
        found = [column[1] for column in cursor.description]
    return dict(zip(columns, found, strict=True))


def declared_columns(
    connection: sa.Connection,
    config: SourceConfig,
    relation: sa.FromClause,
    columns: Sequence[str],
) -> dict[str, Declared]:
    """The columns by what they are declared as; of some warehouses' queries nothing is told."""
    dialect = connection.dialect.name
    codes = _CODES.get(dialect)
    if codes is None:
        return _reflected(connection, config.table, columns)
    found = type_codes(connection, relation, columns)
    # DuckDB's driver has objects for types, which say their names: `DECIMAL(18,2)`.
    return {
        name: codes.get(str(code).partition("(")[0] if dialect == "duckdb" else code, "other")
        for name, code in found.items()
    }


def _reflected(
    connection: sa.Connection, table: str | None, columns: Sequence[str]
) -> dict[str, Declared]:
    if table is None:
        return dict.fromkeys(columns, "untold")
    schema, _, name = table.rpartition(".")
    found = sa.inspect(connection).get_columns(name, schema=schema or None)
    types = {str(column["name"]): column["type"] for column in found}
    return {column: _told(types[column]) for column in columns}


def _told(kind: sa.types.TypeEngine[Any]) -> Declared:
    match kind:
        case sa.DateTime():
            return "moment"
        case sa.Date():
            return "day"
        case _:
            return "other" if isinstance(kind, _NO_MOMENTS) else "untold"


def refuse_lost_digits(config: SourceConfig, declared: dict[str, Declared]) -> None:
    """Refuse keys and phones of 32 bits, which are other people's by the eighth digit.

    Raises:
        SourceError: the key or the phone is such a column.
    """
    for role, column in (("phone", config.phone), ("key", config.key)):
        if declared.get(column) == "single":
            raise SourceError(
                f"source.{role}: the column {column!r} is a 32-bit floating-point number, which "
                "keeps seven digits, so it names strangers. Load it as text or BIGINT into the "
                "warehouse, from where its digits are still whole; nothing was sent."
            )


def refuse_no_moments(config: SourceConfig, declared: dict[str, Declared]) -> None:
    """Refuse an `updated_at` of texts or numbers, whose rows lie in no window and behind no cursor.

    Raises:
        SourceError: it is declared as neither a date nor a timestamp.
    """
    kind = declared.get(str(config.updated_at), "untold")
    if kind not in {"day", "moment", "untold"}:
        raise SourceError(
            f"source.updated_at: the column {config.updated_at!r} is declared as neither a date "
            "nor a timestamp, so rows would be lost between windows. Name another column, or make "
            "a timestamp of it in source.query; nothing was sent."
        )
