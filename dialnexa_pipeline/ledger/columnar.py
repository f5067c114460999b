"""Arrow columns as a relation of the database, read by one statement.

For SQLite no value becomes a Python object: a row of `executemany` costs its objects, and takes the
interpreter's lock before and after it. A column is one blob, in which a row's value is found by
arithmetic: numbers are written with the same number of digits each, and texts lie end to end beside
their positions, which are such numbers. Other threads work while the statement runs.
"""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.ledger.bulk import number_array, text_array

_IS_THERE = "x'31'"


@dataclass(frozen=True, slots=True)
class Relation:
    """SQL of a sub-select, and the values of its parameters."""

    sql: str
    parameters: Mapping[str, bytes | str] = field(repr=False)


def columns_relation(dialect: str, columns: Mapping[str, pa.Array]) -> Relation:
    """Columns of one length, int64 or string, as a relation with their names.

    Strings may be null; numbers are neither null nor negative. SQLite gives the rows in their
    order. PostgreSQL's text holds no NUL, so one is shown as U+FFFD.

    Args:
        dialect: `sqlite` or `postgresql`.
    """
    if dialect == "postgresql":
        return _arrays(columns)
    rows = len(next(iter(columns.values())))
    parameters: dict[str, bytes | str] = {"places": f"[{','.join(['0'] * rows)}]"}
    picked: list[str] = []
    for name, column in columns.items():
        if pa.types.is_string(column.type):
            picked.append(f"{_text(name, column, parameters)} AS {name}")
        else:
            parameters[name], digits = _digits(column)
            picked.append(f"{_number(name, digits)} AS {name}")
    return Relation(f"(SELECT {', '.join(picked)} FROM json_each(:places))", parameters)


def _arrays(columns: Mapping[str, pa.Array]) -> Relation:
    parameters: dict[str, bytes | str] = {}
    arrays: list[str] = []
    for name, column in columns.items():
        is_text = pa.types.is_string(column.type)
        parameters[name] = (text_array if is_text else number_array)(column.to_pylist())
        arrays.append(f"CAST(:{name} AS {'text' if is_text else 'bigint'}[])")
    names = ", ".join(columns)
    return Relation(f"(SELECT * FROM unnest({', '.join(arrays)}) AS given ({names}))", parameters)


def _text(name: str, column: pa.Array, parameters: dict[str, bytes | str]) -> str:
    if column.null_count == len(column):
        return "CAST(NULL AS TEXT)"
    filled = pc.fill_null(column, "")
    positions, content = _positions_and_content(filled)
    # Of an empty blob SQLite's substr makes a null.
    parameters[name] = content or b"\0"
    parameters[f"{name}_at"], digits = _digits(pa.array(positions))
    start = _number(f"{name}_at", digits)
    end = _number(f"{name}_at", digits, after=1)
    text = f"CAST(substr(:{name}, 1 + {start}, {end} - {start}) AS TEXT)"
    if not column.null_count:
        return text
    parameters[f"{name}_is"], _ = _digits(pc.cast(pc.is_valid(column), pa.int64()))
    return f"CASE WHEN substr(:{name}_is, key + 1, 1) = {_IS_THERE} THEN {text} END"


def _number(parameter: str, digits: int, *, after: int = 0) -> str:
    return f"CAST(substr(:{parameter}, {digits} * (key + {after}) + 1, {digits}) AS INTEGER)"


def _digits(numbers: pa.Array) -> tuple[bytes, int]:
    """Numbers end to end, each with leading zeros; and how many digits each has."""
    digits = len(str(pc.max(numbers).as_py() or 0))
    _, content = _positions_and_content(pc.utf8_lpad(pc.cast(numbers, pa.string()), digits, "0"))
    return content, digits


def _positions_and_content(texts: pa.Array) -> tuple[npt.NDArray[np.int64], bytes]:
    """Where each text without nulls begins and the last one ends, and all of them end to end."""
    if not len(texts):
        return np.zeros(1, np.int64), b""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    first, last = int(ends[0]), int(ends[-1])
    return ends.astype(np.int64) - first, bytes(memoryview(content)[first:last]) if last else b""
