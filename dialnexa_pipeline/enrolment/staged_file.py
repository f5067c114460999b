"""The Parquet file of screened leads, written in a thread while the next leads are screened."""

from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# A dictionary of texts that are all different costs time and saves nothing.
_OF_FEW_VALUES = ("workflow_id", "country", "phone_type", "outcome", "reason")


class StagedFile:
    """Takes tables of one schema; made by `writing_staged_file`."""

    def __init__(
        self, path: Path, described: Callable[[pa.Schema], pa.Schema], thread: ThreadPoolExecutor
    ) -> None:
        self._path = path
        self._described = described
        self._thread = thread
        self._writer: pq.ParquetWriter | None = None
        self._writing: Future[None] | None = None

    def add(self, leads: pa.Table) -> None:
        """Write leads as soon as those before are written, for which this waits.

        Raises:
            OSError: the file cannot be written.
        """
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path,
                self._described(leads.schema),
                compression="zstd",
                # The stubs know the switch only.
                use_dictionary=list(_OF_FEW_VALUES),  # pyright: ignore[reportArgumentType]
            )
        self._wait()
        self._writing = self._thread.submit(self._writer.write_table, leads)

    def close(self) -> None:
        """End the file, also after an error.

        Raises:
            OSError: what was added last cannot be written.
        """
        try:
            self._wait()
        finally:
            if self._writer is not None:
                self._writer.close()

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()


@contextmanager
def writing_staged_file(
    path: Path, described: Callable[[pa.Schema], pa.Schema]
) -> Generator[StagedFile]:
    """A staged file that is whole when the block has ended.

    Args:
        described: gives the leads' schema the metadata that the file is to bear.

    Raises:
        OSError: the file cannot be written.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="staging") as thread:
        file = StagedFile(path, described, thread)
        try:
            yield file
        finally:
            file.close()
