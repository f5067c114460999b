"""Arrow columns as a relation of the database, read by one statement.

For SQLite a row of `executemany` costs its objects, and takes the interpreter's lock before and
after it. Other threads work while this statement runs, and each column goes the cheapest way:

- The rows are the elements of a JSON array, and those are the values of one column.
- Columns that repeat a text row after row stand beside the array of the rows that share it.
- Any other is one blob, in which a row's value is found by arithmetic: numbers are written with the
  same number of digits each, and texts lie end to end beside their positions, which are such
  numbers.
"""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.ledger.bulk import number_array, text_array

# A run of fewer rows costs more than it spares.
_ROWS_OF_RUN = 8
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
    # SQLite ends a text of JSON at a NUL.
    fit = [name for name, column in columns.items() if not _has_nul(column)]
    repeating, starts = _runs({name: columns[name] for name in fit})
    riding = next((name for name in fit if name not in repeating), None)
    if repeating:
        return _rows_of_runs(columns, repeating, starts, riding)
    return _rows(columns, riding)


def _rows(columns: Mapping[str, pa.Array], riding: str | None) -> Relation:
    rows = len(next(iter(columns.values())))
    parameters: dict[str, bytes | str] = {}
    picked = _picked(columns, riding, "key", parameters)
    (parameters["elements"],) = _elements(columns, riding, [0, rows])
    return Relation(f"(SELECT {picked} FROM json_each(:elements))", parameters)


def _rows_of_runs(
    columns: Mapping[str, pa.Array],
    repeating: Sequence[str],
    starts: Sequence[int],
    riding: str | None,
) -> Relation:
    rows = len(next(iter(columns.values())))
    rest = {name: column for name, column in columns.items() if name not in repeating}
    parameters: dict[str, bytes | str] = {}
    picked = _picked(rest, riding, "(start + key)", parameters)
    first = pa.array(starts, pa.int64())
    shared = [columns[name].take(first).to_pylist() for name in repeating]
    elements = _elements(rest, riding, [*starts, rows])
    parameters["runs"] = _json(list(zip(*shared, starts, elements, strict=True)))
    names = (*repeating, "start", "elements")
    values = ", ".join(f"value->>{index} AS {name}" for index, name in enumerate(names))
    both = ", ".join((*(f"runs.{name}" for name in repeating), *filter(None, [picked])))
    return Relation(
        # Not materialized, each text would be looked for in the document again for every row.
        f"(WITH runs AS MATERIALIZED (SELECT {values} FROM json_each(:runs)) "
        f"SELECT {both} FROM runs CROSS JOIN json_each(runs.elements))",
        parameters,
    )


def _picked(
    columns: Mapping[str, pa.Array],
    riding: str | None,
    place: str,
    parameters: dict[str, bytes | str],
) -> str:
    """What is selected for the columns; `parameters` gets the blobs that it reads.

    Args:
        riding: the column whose values the elements are.
    """
    values: dict[str, str] = {}
    for name, column in columns.items():
        if name == riding:
            values[name] = "value"
        elif pa.types.is_string(column.type):
            values[name] = _text(name, column, place, parameters)
        else:
            parameters[name], digits = _digits(column)
            values[name] = _number(name, digits, place)
    return ", ".join(f"{value} AS {name}" for name, value in values.items())


def _runs(columns: Mapping[str, pa.Array]) -> tuple[list[str], list[int]]:
    """Texts that repeat, and the places where a run begins in which none of them changes."""
    rows = max(map(len, columns.values()), default=0)
    changes = np.zeros(rows, np.bool_)
    changes[:1] = True
    repeating: list[str] = []
    for name, column in columns.items():
        if not pa.types.is_string(column.type):
            continue
        together = changes.copy()
        together[1:] |= _differs_from_one_before(column)
        if np.count_nonzero(together) * _ROWS_OF_RUN <= rows:
            repeating.append(name)
            changes = together
    return repeating, np.flatnonzero(changes).tolist()


def _differs_from_one_before(column: pa.Array) -> npt.NDArray[np.bool_]:
    codes = pc.fill_null(column.dictionary_encode().indices, -1).to_numpy()
    return codes[1:] != codes[:-1]


def _elements(
    columns: Mapping[str, pa.Array], riding: str | None, bounds: Sequence[int]
) -> list[str]:
    """A JSON array of the riding column's values between each two bounds; else of nulls."""
    column = columns[riding] if riding is not None else pa.nulls(bounds[-1])
    if pa.types.is_integer(column.type):
        texts = pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), column.cast(pa.string()))
        return [f"[{each}]" for each in pc.binary_join(texts, ",").to_pylist()]
    return [_json(column[start:end].to_pylist()) for start, end in pairwise(bounds)]


def _json(values: Sequence[object]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _has_nul(column: pa.Array) -> bool:
    return pa.types.is_string(column.type) and b"\0" in _positions_and_content(column)[1]


def _arrays(columns: Mapping[str, pa.Array]) -> Relation:
    parameters: dict[str, bytes | str] = {}
    arrays: list[str] = []
    for name, column in columns.items():
        is_text = pa.types.is_string(column.type)
        parameters[name] = text_array(column.to_pylist()) if is_text else number_array(column)
        arrays.append(f"CAST(:{name} AS {'text' if is_text else 'bigint'}[])")
    names = ", ".join(columns)
    return Relation(f"(SELECT * FROM unnest({', '.join(arrays)}) AS given ({names}))", parameters)


def _text(name: str, column: pa.Array, place: str, parameters: dict[str, bytes | str]) -> str:
    filled = pc.fill_null(column, "")
    positions, content = _positions_and_content(filled)
    # Of an empty blob SQLite's substr makes a null.
    parameters[name] = content or b"\0"
    parameters[f"{name}_at"], digits = _digits(pa.array(positions))
    start = _number(f"{name}_at", digits, place)
    end = _number(f"{name}_at", digits, f"({place} + 1)")
    text = f"CAST(substr(:{name}, 1 + {start}, {end} - {start}) AS TEXT)"
    if not column.null_count:
        return text
    parameters[f"{name}_is"], _ = _digits(pc.cast(pc.is_valid(column), pa.int64()))
    return f"CASE WHEN substr(:{name}_is, {place} + 1, 1) = {_IS_THERE} THEN {text} END"


def _number(parameter: str, digits: int, place: str) -> str:
    return f"CAST(substr(:{parameter}, {digits} * {place} + 1, {digits}) AS INTEGER)"


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
