"""An uploaded file to rows, or the reason why the file is refused."""

import csv
import io
import zipfile
import zlib
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from dialnexa_pipeline.sandbox.destinations import Refusal, refusal

NOT_A_FILE = "File must be a CSV or Excel file (.csv, .xlsx, .xls)"
NO_PHONE_COLUMN = "File must include a phone_number column"
EMPTY = "File is empty"

# What openpyxl raises on damaged workbooks; the vendor's answer to any of them is a 400.
_UNREADABLE = (
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    # Of a ZIP entry that is compressed in a way that Python cannot undo.
    NotImplementedError,
)


class BadFile(Exception):
    """A file-level 400."""


@dataclass(frozen=True, slots=True)
class UploadedRow:
    """One row; `index` counts the rows from 0, without the header."""

    index: int
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
    for index, row in enumerate(rows):
        cells = [*row, *[""] * (len(header) - len(row))]
        variables = {
            name: cells[column] for column, name in enumerate(header) if column != place and name
        }
        found.append(UploadedRow(index, cells[place], variables))
    return found


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that no call may go to, and why."""

    row: UploadedRow
    refusal: Refusal


def refused_rows(rows: list[UploadedRow]) -> list[RefusedRow]:
    """The rows that may not be enrolled, in the file's order; empty when all may."""
    checked = ((row, refusal(row.phone)) for row in rows)
    return [RefusedRow(row, why) for row, why in checked if why is not None]


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
        try:
            rows = [
                ["" if cell is None else str(cell) for cell in row]
                for row in book.worksheets[0].iter_rows(values_only=True)
            ]
        finally:
            book.close()
    except _UNREADABLE as error:
        raise BadFile(NOT_A_FILE) from error
    return [row for row in rows if any(row)]
