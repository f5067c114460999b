"""An uploaded file to rows, or the reason why the file is refused."""

import csv
import io
import zipfile
from dataclasses import dataclass

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from dialnexa_pipeline.sandbox.destinations import refusal

NOT_A_FILE = "File must be a CSV or Excel file (.csv, .xlsx, .xls)"
NO_PHONE_COLUMN = "File must include a phone_number column"
EMPTY = "File is empty"


class BadFile(Exception):
    """A file-level 400."""


@dataclass(frozen=True, slots=True)
class UploadedRow:
    """One row; `position` counts the rows from 1, without the header."""

    position: int
    phone: str
    variables: dict[str, str]


def read_upload(filename: str, content: bytes) -> list[UploadedRow]:
    """Rows of a CSV or XLSX file.

    Raises:
        BadFile: with the vendor's kind of sentence.
    """
    lowered = filename.lower()
    if lowered.endswith(".csv"):
        table = _csv(content)
    elif lowered.endswith((".xlsx", ".xls")):
        table = _xlsx(content)
    else:
        raise BadFile(NOT_A_FILE)
    if not table:
        raise BadFile(EMPTY)
    header, *rows = table
    if "phone_number" not in header:
        raise BadFile(NO_PHONE_COLUMN)
    place = header.index("phone_number")
    found: list[UploadedRow] = []
    for position, row in enumerate(rows, start=1):
        cells = [*row, *[""] * (len(header) - len(row))]
        variables = {
            name: cells[index] for index, name in enumerate(header) if index != place and name
        }
        found.append(UploadedRow(position, cells[place], variables))
    return found


def refused_rows(rows: list[UploadedRow]) -> dict[str, list[UploadedRow]]:
    """Reason → rows; empty when every row may be enrolled."""
    groups: dict[str, list[UploadedRow]] = {}
    for row in rows:
        reason = refusal(row.phone)
        if reason is not None:
            groups.setdefault(reason, []).append(row)
    return groups


def _csv(content: bytes) -> list[list[str]]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(NOT_A_FILE) from error
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise BadFile(NOT_A_FILE) from error


def _xlsx(content: bytes) -> list[list[str]]:
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
        return [
            ["" if cell is None else str(cell) for cell in row]
            for row in book.worksheets[0].iter_rows(values_only=True)
        ]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise BadFile(NOT_A_FILE) from error
