"""The Parquet file of screened leads: written beside screening, read in the order of planning."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dialnexa_pipeline.behind import work_behind
from dialnexa_pipeline.enrolment.number_ranges import Group, NumberRanges

# A dictionary of texts that are all different costs time and saves nothing.
_ROWS_OF_A_VALUE = 8
# Which part of a chunk the first one is.
_FIRST_PART = 4
_RANGES = "dialnexa.ranges"


@contextmanager
def writing_staged_file(
    path: Path, described: Callable[[pa.Schema], pa.Schema], *, in_order: bool = True
) -> Generator[Callable[[pa.Table], None]]:
    """Gives a function that adds a table, each of one schema; the file is whole after the block.

    Args:
        described: gives the leads' schema the metadata that the file is to bear.
        in_order: rows lie as they come; else those of many lie by ranges of their numbers, as
            `leads_to_plan` gives them again.

    Raises:
        OSError: the file cannot be written.
    """
    writer: pq.ParquetWriter | None = None
    ranges = NumberRanges()
    written: list[int] = []

    def write(groups: Iterator[Group]) -> None:
        assert writer is not None
        for group in groups:
            writer.write_table(group.leads)
            written.append(group.range_no)

    with ExitStack() as stack, work_behind(name="staging", waiting=1) as thread:

        def add(leads: pa.Table) -> None:
            nonlocal writer
            if writer is None:
                writer = pq.ParquetWriter(
                    path,
                    described(leads.schema),
                    compression="zstd",
                    # The stubs know the switch only.
                    use_dictionary=_repeating(leads),  # pyright: ignore[reportArgumentType]
                    # Nobody looks for rows by their values.
                    write_statistics=False,
                )
                stack.callback(writer.close)
            thread.do(partial(write, iter([Group(0, leads)]) if in_order else ranges.add(leads)))

        yield add
        if writer is not None:
            thread.do(partial(write, ranges.end()))
            thread.wait()
            writer.add_key_value_metadata({_RANGES: json.dumps(written)})


def leads_to_plan(parquet: pq.ParquetFile, at_once: int) -> Iterator[pa.Table]:
    """The staged leads, range by range, each in the source's order; `at_once` rows at a time.

    At first there are fewer: whoever claims them waits for less.
    """
    waiting: list[pa.Table] = []
    rows = 0
    wanted = max(1, at_once // _FIRST_PART)
    for group in _groups_by_range(parquet):
        # One row group at a time: a reader of all keeps several in memory.
        for batch in parquet.iter_batches(batch_size=at_once, row_groups=[group]):
            leads = pa.Table.from_batches([batch])
            while rows + leads.num_rows >= wanted:
                yield pa.concat_tables([*waiting, leads.slice(0, wanted - rows)]).combine_chunks()
                leads = leads.slice(wanted - rows)
                waiting, rows, wanted = [], 0, at_once
            # An empty slice would keep its table in memory, and make the next one be copied.
            if leads.num_rows:
                waiting.append(leads)
                rows += leads.num_rows
    if rows:
        yield pa.concat_tables(waiting).combine_chunks()


def repeating_columns(path: Path) -> list[str]:
    """Columns whose texts repeat, so that the file holds a dictionary of them."""
    metadata = pq.read_metadata(path)
    if not metadata.num_row_groups:
        return []
    columns = map(metadata.row_group(0).column, range(metadata.num_columns))
    return [each.path_in_schema for each in columns if "RLE_DICTIONARY" in each.encodings]


def is_in_order(parquet: pq.ParquetFile) -> bool:
    """Whether the staged leads are all planned in the source's order."""
    return not any(_ranges(parquet))


def _repeating(leads: pa.Table) -> list[str]:
    return [
        name
        for name, column in zip(leads.column_names, leads.columns, strict=True)
        if pa.types.is_string(column.type)
        and len(column.unique()) * _ROWS_OF_A_VALUE <= leads.num_rows
    ]


def _groups_by_range(parquet: pq.ParquetFile) -> list[int]:
    return sorted(range(parquet.num_row_groups), key=_ranges(parquet).__getitem__)


def said_of_groups(parquet: pq.ParquetFile) -> dict[str, str]:
    """What a copy of the file must say too, in its metadata, when its row groups are the same."""
    # The schema may bear what was known when the first lead came, and this came with the last one.
    text = (parquet.metadata.metadata or {}).get(_RANGES.encode())
    return {_RANGES: text.decode()} if text is not None else {}


def _ranges(parquet: pq.ParquetFile) -> list[int]:
    """The range of each row group; one for all in a file that names none."""
    text = said_of_groups(parquet).get(_RANGES)
    ranges: list[int] = json.loads(text) if text is not None else []
    return ranges if len(ranges) == parquet.num_row_groups else [0] * parquet.num_row_groups
