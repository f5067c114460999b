"""The sheet of rows that are not enrolled, in which people mend them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import openpyxl

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.leads import REASONS, append_texts
from dialnexa_pipeline.ledger import RecordedRejection

# `country` and the variables are for people to fill in: `dialnexa replay` reads the sheet back.
_HEADER = (
    "workflow_id",
    "lead_key",
    "raw_phone",
    "country",
    "phone",
    "outcome",
    "reason",
    "how_to_mend",
    "detail",
    "partition",
    "first_seen_utc",
    "last_seen_utc",
)
# A sheet has 1,048,576 rows, its header among them.
_MOST_ROWS = 1_048_575


def write_sheet(
    path: Path, rows: Iterable[RecordedRejection], count: int, more_columns: Sequence[str]
) -> None:
    """Write the rows; the file is there whole, or not at all.

    Args:
        more_columns: to be filled in by people.

    Raises:
        ConfigError: the file cannot be written, or there are more rows than a sheet takes.
    """
    if count > _MOST_ROWS:
        raise ConfigError(
            f"{count:,} rows do not fit a spreadsheet; read the table dialnexa_rejected_rows."
        )
    unfinished = path.with_name(f"{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            _sheet(rows, more_columns).save(file)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigError(
            f"The spreadsheet {path} cannot be written: {error.strerror}. Name another file."
        ) from None


def _sheet(rows: Iterable[RecordedRejection], more_columns: Sequence[str]) -> openpyxl.Workbook:
    """Every cell is a text cell, so a value that begins with `=` is shown and never computed."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("not enrolled")
    append_texts(sheet, [(*_HEADER, *more_columns)])
    append_texts(sheet, map(_texts, rows))
    return book


def _texts(row: RecordedRejection) -> tuple[str | None, ...]:
    return (
        row.workflow_id,
        row.lead_key,
        row.raw_phone,
        "",
        row.phone,
        row.outcome,
        row.reason,
        REASONS.get(row.reason),
        row.detail,
        row.partition_key,
        f"{row.first_seen_at:%Y-%m-%d %H:%M}",
        f"{row.last_seen_at:%Y-%m-%d %H:%M}",
    )
