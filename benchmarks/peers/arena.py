"""What all contestants share: one PostgreSQL with the leads, one sink, a folder for each run."""

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg

from benchmarks.chaos.databases import PostgresServer
from benchmarks.peers.contestants import Contestant, Measured, install_dlt, run
from benchmarks.sink import serve

_SETTINGS = (
    # No work of the server's own during somebody's round.
    "autovacuum = off",
    "max_wal_size = '8GB'",
    "checkpoint_timeout = '1h'",
    # A scan may otherwise begin where another one is, and the first of two duplicates wins.
    "synchronize_seqscans = off",
)
_RECORDS = "dialnexa_enrolments, dialnexa_rejected_rows, dialnexa_enrolment_counts"
_PATIENCE_SECONDS = 30.0


class Arena:
    """Runs contestants one at a time, each in a place that looks like the first time."""

    def __init__(self, folder: Path, url: str, base_url: str, pythons: dict[str, Path]) -> None:
        self._folder = folder
        self._url = url
        self._base_url = base_url
        self._pythons = pythons
        self._runs = 0

    def build(self, rows: int) -> None:
        """Make the leads of a scale."""
        arguments = ["benchmarks.peers.leads", self._url, _table(rows), str(rows)]
        subprocess.run(
            [sys.executable, "-m", *arguments], check=True, cwd=Path(__file__).parents[2]
        )

    def drop(self, rows: int) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(f"DROP TABLE {_table(rows)}")

    def run(self, contestant: Contestant, rows: int) -> tuple[Measured, int]:
        """One run; returns what was measured and how many rows the sink received from it."""
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"DROP TABLE IF EXISTS {_RECORDS}")
            connection.execute("CHECKPOINT")
        # What the run before left unwritten is written now, and not at this one's expense.
        os.sync()
        before = self._received()
        try:
            measured = run(
                contestant,
                folder,
                url=self._url,
                table=_table(rows),
                base_url=self._base_url,
                python=self._pythons.get(contestant.name),
            )
            received = self._received() - before
            if contestant.name == "ours":
                self._copy_enrolments(folder / "pairs.csv")
            if (folder / "pairs.csv").exists():
                (folder / "pairs.csv").replace(self.pairs_of(contestant, rows))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return measured, received

    def pairs_of(self, contestant: Contestant, rows: int) -> Path:
        """Key, workflow and E.164 of each lead that the newest run sent, in the keys' order."""
        return self._folder / f"{contestant.name}-{rows}.csv"

    def _received(self) -> int:
        return int(httpx.get(f"{self._base_url}/received").raise_for_status().json()["rows"])

    def _copy_enrolments(self, path: Path) -> None:
        question = (
            "SELECT lead_key::bigint, workflow_id, phone FROM dialnexa_enrolments "
            "WHERE state = 'enrolled' ORDER BY 1"
        )
        with (
            psycopg.connect(self._url) as connection,
            connection.cursor() as cursor,
            path.open("wb") as file,
            cursor.copy(f"COPY ({question}) TO STDOUT (FORMAT csv)") as source,
        ):
            for row in source:
                file.write(row)


@contextmanager
def open_arena(contestants: Sequence[Contestant]) -> Generator[Arena]:
    """An arena in a temporary folder; dlt is installed when it takes part."""
    folder = Path(tempfile.mkdtemp(prefix="dialnexa-peers-"))
    try:
        with _postgres(folder) as url, open_sink() as base_url:
            pythons = {
                each.name: install_dlt(folder / "venv")
                for each in contestants
                if each.name == "dlt"
            }
            yield Arena(folder, url, base_url, pythons)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgres(folder: Path) -> Generator[str]:
    server = PostgresServer(folder)
    try:
        url = server.fresh_database().replace("postgresql+psycopg:", "postgresql:", 1)
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in _SETTINGS:
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.stop()


@contextmanager
def open_sink() -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port,), daemon=True)
    process.start()
    base_url = f"http://127.0.0.1:{port}/v1"
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while True:
            try:
                httpx.get(f"{base_url}/received").raise_for_status()
                break
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield base_url
    finally:
        process.terminate()
        process.join()


def _table(rows: int) -> str:
    return f"leads_{rows}"
