"""Many rows to the database in one statement: a JSON document or arrays read as a relation."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

Numbers = Collection[int] | npt.NDArray[np.int64] | pa.Array

MOMENT = pa.timestamp("us", tz="UTC")
_POSTGRES_TYPES = {"text": "text", "int": "bigint"}
_SQLITE_TYPES = {"text": "TEXT", "int": "INTEGER"}
_FIELD = (("length", ">i4"), ("value", ">i8"))
# The signature, no flags and no extension.
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER = b"\xff\xff"


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


def numbers_parameter(dialect: str, numbers: Numbers) -> str:
    """The value for `:numbers`."""
    if dialect == "postgresql":
        return number_array(numbers)
    return f"[{_joined(numbers)}]"


def number_array(numbers: Numbers) -> str:
    """Numbers as PostgreSQL reads an array; the driver takes twice as long for a list."""
    return f"{{{_joined(numbers)}}}"


def _joined(numbers: Numbers) -> str:
    texts = pa.array(numbers, pa.int64()).cast(pa.string())
    return pc.binary_join(pa.ListArray.from_arrays([0, len(texts)], texts), ",")[0].as_py()


def binary_rows(columns: Sequence[npt.NDArray[np.int64]]) -> bytes:
    """Rows of whole numbers for a COPY of PostgreSQL in its binary format.

    Its documentation of COPY, "Binary Format": a header, of each row the count of its fields, of
    each field its length and its bytes, the most significant first, and a trailer.
    """
    fields = [(f"{part}_{number}", kind) for number in range(len(columns)) for part, kind in _FIELD]
    rows = np.empty(len(columns[0]), np.dtype([("fields", ">i2"), *fields]))
    rows["fields"] = len(columns)
    for number, column in enumerate(columns):
        rows[f"length_{number}"] = column.itemsize
        rows[f"value_{number}"] = column
    return _COPY_HEADER + rows.tobytes() + _COPY_TRAILER


def text_array(values: Iterable[str | None]) -> str:
    """Texts as PostgreSQL reads an array.

    Its text holds no NUL, so one is shown as U+FFFD.
    """
    return f"{{{','.join(map(_in_quotes, values))}}}"


def _in_quotes(value: str | None) -> str:
    if value is None:
        return "NULL"
    if '"' in value or "\\" in value or "\0" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\ufffd")
    return f'"{value}"'


def plain_rows(result: sa.CursorResult[*tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Every row as the driver gives it: thousands at a time are not to be wrapped and typed.

    Moments of SQLite come as the text that it holds.
    """
    cursor: Any = result.cursor
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    result.close()
    return rows
