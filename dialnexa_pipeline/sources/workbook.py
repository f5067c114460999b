"""Rows of one sheet of an XLSX workbook as text.

python-calamine reads ten times as fast as openpyxl, and holds the whole sheet meanwhile (some
250 MB for 200,000 rows of 11 columns). It says nothing of error cells, rounds integers of 16 digits
and more, and does not tell an empty text from no cell; a workbook with any of those is read by
openpyxl, as a stream.
"""

import re
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
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
)

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


_DIFFERS = re.compile(
    rb"""
      \st\s*=\s*["']e["']                          # an error
    | v>\s*[-+]?\d{16}                             # more digits than a double keeps
    | <(?:\w+:)?t\b[^>]*(?:/>|></)                # an empty text
    | <(?:\w+:)?t>(?:\s|[^<]*\s</)                # spaces that nothing says to keep
    | _x[0-9A-Fa-f]{4}_                            # an escaped character
    | \x00                                         # not UTF-8
    """,
    re.X,
)
_PIECE_BYTES = 4 * 1024 * 1024


def sheet_rows(path: Path, sheet: str | None) -> Iterator[list[str | None]]:
    """Rows of the named sheet, or of the first, that hold anything at all; the header is first.

    Raises:
        SourceError: the workbook is damaged or encrypted, or has no such sheet.
    """
    fast = _fast_sheet(path, sheet)
    if fast is None:
        yield from _openpyxl_rows(path, sheet)
        return
    for row in fast.iter_rows():
        texts = [None if value == "" else _text(value) for value in row]
        if any(text is not None for text in texts):
            yield texts


def _fast_sheet(path: Path, name: str | None) -> CalamineSheet | None:
    """The sheet when both readers see the same in it; what is amiss, openpyxl names."""
    try:
        if not _reads_alike(path):
            return None
        book = CalamineWorkbook.from_path(path)
        names = [
            sheet.name for sheet in book.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet
        ]
        if name is None and names:
            return book.get_sheet_by_name(names[0])
        return book.get_sheet_by_name(name) if name is not None and name in names else None
    except (*_DAMAGE, CalamineError, OSError):
        return None


def _reads_alike(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        for part in archive.namelist():
            if not part.endswith(".xml"):
                continue
            with archive.open(part) as file:
                rest = b""
                while piece := file.read(_PIECE_BYTES):
                    piece = rest + piece
                    if _DIFFERS.search(piece):
                        return False
                    # Nothing that differs is longer than two tags.
                    rest = piece[piece.rfind(b"<", 0, max(piece.rfind(b"<"), 0)) :]
    return True


def _openpyxl_rows(path: Path, sheet: str | None) -> Iterator[list[str | None]]:
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
