"""The Parquet file of screened leads, written in a thread while the next leads are screened."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dialnexa_pipeline.behind import one_behind

# A dictionary of texts that are all different costs time and saves nothing.
_OF_FEW_VALUES = ("workflow_id", "country", "phone_type", "outcome", "reason")


@contextmanager
def writing_staged_file(
    path: Path, described: Callable[[pa.Schema], pa.Schema]
) -> Generator[Callable[[pa.Table], None]]:
    """Gives a function that adds a table, each of one schema; the file is whole after the block.

    Args:
        described: gives the leads' schema the metadata that the file is to bear.

    Raises:
        OSError: the file cannot be written.
    """
    writer: pq.ParquetWriter | None = None
    with ExitStack() as stack, one_behind(name="staging") as thread:

        def add(leads: pa.Table) -> None:
            nonlocal writer
            if writer is None:
                writer = pq.ParquetWriter(
                    path,
                    described(leads.schema),
                    compression="zstd",
                    # The stubs know the switch only.
                    use_dictionary=list(_OF_FEW_VALUES),  # pyright: ignore[reportArgumentType]
                )
                stack.callback(writer.close)
            thread.do(partial(writer.write_table, leads))

        yield add
