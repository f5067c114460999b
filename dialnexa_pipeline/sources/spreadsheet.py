"""Leads from a CSV or XLSX file, streamed as Arrow batches of text."""

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.csv as pa_csv
from openpyxl.utils.exceptions import InvalidFileException

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources.config import SourceConfig

_BLOCK_BYTES = 4 * 1024 * 1024


class FileSource:
    """A file with a header row; relative paths start at the working directory."""

    def __init__(self, config: SourceConfig, *, columns: Sequence[str], batch_rows: int) -> None:
        assert config.file is not None
        self._path = Path(config.file)
        self._sheet = config.sheet
        self._columns = list(columns)
        self._batch_rows = batch_rows

    @property
    def description(self) -> str:
        return f"file {self._path}"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches of text with exactly the wanted columns.

        Raises:
            SourceError: missing or unreadable file, missing column, or text that is not UTF-8.
        """
        if not self._path.is_file():
            raise SourceError(
                f"source.file: there is no file {self._path.absolute()}. Correct the path; a "
                "relative one starts at the folder in which Dagster runs."
            )
        suffix = self._path.suffix.lower()
        if suffix == ".csv":
            yield from self._csv()
        elif suffix == ".xlsx":
            yield from self._xlsx()
        else:
            raise SourceError(f"source.file: {self._path} is neither a .csv nor an .xlsx file.")

    def _csv(self) -> Iterator[pa.RecordBatch]:
        _check_utf8(self._path)
        names = self._csv_header()
        self._check(names)
        options = pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            include_columns=self._columns,
            strings_can_be_null=False,
        )
        reading = pa_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False)
        parsing = pa_csv.ParseOptions(newlines_in_values=True)
        try:
            with pa_csv.open_csv(self._path, reading, parsing, options) as reader:
                for batch in reader:
                    if batch.num_rows:
                        yield batch
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise SourceError(
                f"{self._path} is not a readable CSV file: {_first_line(error)}"
            ) from error

    def _csv_header(self) -> list[str]:
        import csv

        with self._path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])

    def _xlsx(self) -> Iterator[pa.RecordBatch]:
        try:
            book = openpyxl.load_workbook(self._path, read_only=True, data_only=True)
        except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
            raise SourceError(
                f"{self._path} cannot be read as an XLSX workbook: {_first_line(error)}. Save it "
                "again as .xlsx, or export it as CSV."
            ) from error
        try:
            if self._sheet is not None and self._sheet not in book.sheetnames:
                raise SourceError(
                    f"source.sheet: {self._path} has no sheet {self._sheet!r}; its sheets are "
                    f"{', '.join(book.sheetnames)}."
                )
            sheet = book[self._sheet] if self._sheet is not None else book.worksheets[0]
            rows = sheet.iter_rows(values_only=True)
            header = [_cell(value) or "" for value in next(rows, ())]
            self._check(header)
            picked = [header.index(name) for name in self._columns]
            piece: list[list[str | None]] = []
            for row in rows:
                if all(value is None for value in row):
                    continue
                piece.append([_cell(row[i]) if i < len(row) else None for i in picked])
                if len(piece) == self._batch_rows:
                    yield self._batch(piece)
                    piece = []
            if piece:
                yield self._batch(piece)
        finally:
            book.close()

    def _batch(self, rows: list[list[str | None]]) -> pa.RecordBatch:
        columns = [pa.array(list(values), pa.string()) for values in zip(*rows, strict=True)]
        return pa.RecordBatch.from_arrays(columns, names=self._columns)

    def _check(self, available: Sequence[str]) -> None:
        missing = [column for column in self._columns if column not in available]
        if missing:
            raise SourceError(
                f"{self._path} has no column {', '.join(repr(name) for name in missing)}; its "
                f"columns are {', '.join(available)}. Correct the sync's source or variables."
            )
        double = [name for name in self._columns if list(available).count(name) > 1]
        if double:
            raise SourceError(f"{self._path} has the column {double[0]!r} twice; rename one.")


def _check_utf8(path: Path) -> None:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{path} is not UTF-8: line {number}, byte {error.start + 1} of that line. "
                    "Save the file as UTF-8 (in a spreadsheet: CSV UTF-8)."
                ) from error


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
