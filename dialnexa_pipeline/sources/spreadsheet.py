"""Leads from a CSV or XLSX file, streamed as Arrow batches of text."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources.config import SourceConfig
from dialnexa_pipeline.sources.csv_bytes import BLOCK_BYTES, TOO_LARGE, check_csv, unreadable


class FileSource:
    """A file with a header row; relative paths start at the working directory."""

    def __init__(self, config: SourceConfig, *, columns: Sequence[str], batch_rows: int) -> None:
        self._path = Path(str(config.file))
        self._sheet = config.sheet
        self._columns = list(columns)
        self._batch_rows = batch_rows

    @property
    def description(self) -> str:
        return f"file {self._path}"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches of text with exactly the wanted columns.

        Raises:
            SourceError: missing or unreadable file, missing column, text that is not UTF-8, or
                a quote that is not closed.
        """
        if not self._path.is_file():
            raise SourceError(
                f"source.file: there is no file {self._path.absolute()}. Correct the path; a "
                "relative one starts at the folder in which Dagster runs."
            )
        if _is_csv(self._path):
            yield from self._csv()
        else:
            yield from self._xlsx()

    def _csv(self) -> Iterator[pa.RecordBatch]:
        check_csv(self._path)
        names = _csv_header(self._path)
        self._check(names)
        torn: list[pa_csv.InvalidRow] = []

        def note_torn(row: pa_csv.InvalidRow) -> str:
            torn.append(row)
            return "error"

        convert = pa_csv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            include_columns=self._columns,
            strings_can_be_null=False,
        )
        reading = pa_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
        parsing = pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note_torn)
        try:
            with pa_csv.open_csv(self._path, reading, parsing, convert) as reader:
                for batch in reader:
                    for start in range(0, batch.num_rows, self._batch_rows):
                        yield batch.slice(start, self._batch_rows)
        except pa.ArrowInvalid:
            # Arrow's own words quote the row.
            where = (
                f"row {torn[0].number} (the header is row 1) has {torn[0].actual_columns} values "
                f"for {torn[0].expected_columns} columns"
                if torn
                else TOO_LARGE
            )
            raise unreadable(self._path, where) from None

    def _xlsx(self) -> Iterator[pa.RecordBatch]:
        rows = _sheet_rows(self._path, self._sheet)
        header = [name or "" for name in next(rows, [])]
        self._check(header)
        picked = [header.index(name) for name in self._columns]
        while piece := list(islice(rows, self._batch_rows)):
            columns = [
                pa.array([row[at] if at < len(row) else None for row in piece], pa.string())
                for at in picked
            ]
            yield pa.RecordBatch.from_arrays(columns, names=self._columns)

    def _check(self, available: Sequence[str]) -> None:
        if not any(available):
            raise SourceError(f"{self._path} has no header row; its first row names the columns.")
        missing = [column for column in self._columns if column not in available]
        if missing:
            raise SourceError(
                f"{self._path} has no column {', '.join(repr(name) for name in missing)}; "
                f"{told_of_header(available, self._columns)}. Correct the sync's source or "
                "variables."
            )
        double = [name for name in self._columns if list(available).count(name) > 1]
        if double:
            raise SourceError(f"{self._path} has the column {double[0]!r} twice; rename one.")


def told_of_header(first_row: Sequence[str], wanted: Sequence[str]) -> str:
    """The names in a file's first row, unless it may be a row of somebody's data."""
    if not any(name in first_row for name in wanted):
        return (
            "its first row names none of the columns that are wanted and is perhaps no header: "
            "the names must stand there, capitals alike, with commas between them in a CSV file"
        )
    return f"its columns are {', '.join(first_row)}"


def column_names(path: Path) -> list[str]:
    """The first row of a CSV or XLSX file that is there.

    Raises:
        SourceError: it is neither, is damaged, is not UTF-8, or a quote is not closed.
    """
    if not _is_csv(path):
        return [name or "" for name in next(_sheet_rows(path, None), [])]
    check_csv(path)
    return _csv_header(path)


def _sheet_rows(path: Path, sheet: str | None) -> Iterator[list[str | None]]:
    # Its readers take a tenth of a second to import, and few sources are workbooks.
    from dialnexa_pipeline.sources.workbook import sheet_rows

    return sheet_rows(path, sheet)


def _is_csv(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".xlsx"}:
        raise SourceError(f"source.file: {path} is neither a .csv nor an .xlsx file.")
    return suffix == ".csv"


def _csv_header(path: Path) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])
