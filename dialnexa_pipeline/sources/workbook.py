"""Rows of one sheet of an XLSX workbook as text, read as a stream."""

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from dialnexa_pipeline.errors import SourceError

_DAMAGE = (
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    ParseError,
    EOFError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
)


def sheet_rows(path: Path, sheet: str | None) -> Iterator[list[str | None]]:
    """Rows of the named sheet, or of the first, that hold anything at all; the header is first.

    Raises:
        SourceError: the workbook is damaged or encrypted, or has no such sheet.
    """
    with path.open("rb") as file:
        book: Any = None
        try:
            with warnings.catch_warnings():
                # Styles and extensions that openpyxl does not know are not our values.
                warnings.simplefilter("ignore", UserWarning)
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            found = _sheet(path, book, sheet)
            # Some exporters state a wrong size; what is there counts.
            found.reset_dimensions()
            for row in found.iter_rows(values_only=True):
                if any(value is not None for value in row):
                    yield [_text(value) for value in row]
        except _DAMAGE as error:
            raise SourceError(
                f"{path} cannot be read as an XLSX workbook ({type(error).__name__}): it is "
                "damaged, encrypted or of another format. Save it again as .xlsx, or export it "
                "as CSV."
            ) from None
        finally:
            if book is not None:
                book.close()


def _sheet(path: Path, book: Any, name: str | None) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if name is None and sheets:
        return next(iter(sheets.values()))
    if name not in sheets:
        wanted = f"no sheet {name!r}" if name is not None else "no sheet with cells"
        raise SourceError(
            f"source.sheet: {path} has {wanted}; its sheets are {', '.join(sheets) or 'none'}."
        )
    return sheets[name]


def _text(value: Any) -> str | None:
    """A cell as text; a whole number has no `.0`, a moment at midnight is a date."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value)
