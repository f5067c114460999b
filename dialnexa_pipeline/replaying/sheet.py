"""A corrected sheet of refused rows: the columns it has, and reading it back."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.leads import VARIABLE_PREFIX
from dialnexa_pipeline.sources import SourceConfig, column_names, open_source, told_of_header

KEY = "lead_key"
PHONE = "raw_phone"
COUNTRY = "country"
WORKFLOW = "workflow_id"
_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
_ESCAPED = re.compile(r"'[-=+@0-9]")


@dataclass(frozen=True, slots=True)
class SheetRow:
    """What one row of a sheet says; a blank says nothing.

    Attributes:
        number: as a spreadsheet counts; the header is row 1.
        variables: uploaded header → text.
    """

    number: int
    lead_key: str
    raw_phone: str = field(repr=False)
    country: str
    workflow_id: str
    variables: Mapping[str, str] = field(repr=False)


def variable_columns(headers: Collection[str]) -> list[str]:
    """The sheet's columns for some variables."""
    return [VARIABLE_PREFIX + header for header in headers]


def read_sheet(path: Path, headers: Collection[str]) -> Iterator[SheetRow]:
    """The rows of a .csv or .xlsx file as they were typed, whatever else it has for columns.

    Args:
        headers: the sync's variables; those that the sheet has no column for are left out.

    Raises:
        SourceError: the file is missing or damaged, or has no column `lead_key` or `raw_phone`.
    """
    if not path.is_file():
        raise SourceError(f"There is no file {path.absolute()}; name the corrected sheet.")
    there = column_names(path)
    missing = [name for name in (KEY, PHONE) if name not in there]
    if missing:
        raise SourceError(
            f"{path} has no column {' and no column '.join(missing)}; "
            f"{told_of_header(there, [KEY, PHONE])}. Correct the sheet that "
            "`dialnexa rejected SYNC --xlsx` wrote, and keep its first row."
        )
    wanted = [KEY, PHONE, COUNTRY, WORKFLOW, *variable_columns(headers)]
    columns = [name for name in wanted if name in there]
    source = open_source(
        SourceConfig(file=str(path), key=KEY, phone=PHONE), warehouse_url="", columns=columns
    )
    number = 1
    for batch in source.batches():
        for row in _rows(batch):
            number += 1
            if any(row.values()):
                yield SheetRow(
                    number,
                    row.get(KEY, ""),
                    as_typed(row.get(PHONE, "")),
                    as_typed(row.get(COUNTRY, "")),
                    as_typed(row.get(WORKFLOW, "")),
                    {header: as_typed(row.get(VARIABLE_PREFIX + header, "")) for header in headers},
                )


def _rows(batch: pa.RecordBatch) -> Iterator[dict[str, str]]:
    texts = [[text or "" for text in column.to_pylist()] for column in batch.columns]
    for values in zip(*texts, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def as_typed(text: str) -> str:
    """A cell without what keeps a spreadsheet from computing it: `'+91…` and `="+91…"`."""
    text = text.strip()
    formula = _FORMULA.fullmatch(text)
    if formula is not None:
        return formula[1].replace('""', '"')
    return text[1:] if _ESCAPED.match(text) else text
