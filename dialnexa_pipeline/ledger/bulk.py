"""Many rows to the database in one statement: a JSON document or arrays read as a relation."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

MOMENT = pa.timestamp("us", tz="UTC")
_POSTGRES_TYPES = {"text": "text", "int": "bigint"}
_SQLITE_TYPES = {"text": "TEXT", "int": "INTEGER"}


def rows_relation(dialect: str, columns: Mapping[str, str]) -> str:
    """SQL of a sub-select that reads the bound parameter `:rows` as a table.

    Args:
        dialect: `sqlite` or `postgresql`.
        columns: column name → `text` or `int`, in the order used by `rows_parameter`.
    """
    if dialect == "postgresql":
        picked = ", ".join(
            f"(value->>{index})::{_POSTGRES_TYPES[kind]} AS {name}"
            for index, (name, kind) in enumerate(columns.items())
        )
        return f"(SELECT {picked} FROM json_array_elements(CAST(:rows AS json)))"
    picked = ", ".join(
        f"CAST(value->>{index} AS {_SQLITE_TYPES[kind]}) AS {name}"
        for index, (name, kind) in enumerate(columns.items())
    )
    return f"(SELECT {picked} FROM json_each(:rows))"


def rows_parameter(rows: Sequence[Sequence[object]]) -> str:
    """The value for `:rows`: one JSON array per row, values in the relation's order.

    PostgreSQL's text holds no NUL, so one in a source value is shown as U+FFFD.
    """
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" not in text:
        return text
    return json.dumps(
        [[v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in row] for row in rows],
        ensure_ascii=False,
        separators=(",", ":"),
    )


def numbers_relation(dialect: str) -> str:
    """SQL of a relation with one column `number`, read from the bound parameter `:numbers`."""
    if dialect == "postgresql":
        return "(SELECT unnest(CAST(:numbers AS bigint[])) AS number)"
    return "(SELECT value AS number FROM json_each(:numbers))"


def numbers_parameter(dialect: str, numbers: Iterable[int]) -> str:
    """The value for `:numbers`."""
    listed = ",".join(map(str, numbers))
    return f"{{{listed}}}" if dialect == "postgresql" else f"[{listed}]"


def fit_text(values: Sequence[str]) -> Sequence[str]:
    """The values as PostgreSQL takes them: its text holds no NUL, so one is shown as U+FFFD."""
    if not any("\0" in value for value in values):
        return values
    return [value.replace("\0", "\ufffd") for value in values]


def plain_rows(result: sa.CursorResult[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Every row as the driver gives it: thousands at a time are not to be wrapped and typed.

    Moments of SQLite come as the text that it holds.
    """
    cursor: Any = result.cursor
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    result.close()
    return rows


def moments_of(values: Sequence[Any]) -> pa.Array:
    """Moments as `plain_rows` gives them, in UTC."""
    if any(isinstance(value, str) for value in values):
        texts = pa.array(values, pa.string())
        return texts.cast(pa.timestamp("us")).cast(MOMENT)
    return pa.array(values, MOMENT)
