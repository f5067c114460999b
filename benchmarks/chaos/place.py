"""Where histories happen: a sandbox behind a proxy, and a PostgreSQL when one is wanted."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

import duckdb
import httpx
import pyarrow as pa

from benchmarks.chaos.children import Family
from benchmarks.chaos.databases import PostgresServer
from benchmarks.chaos.proxy import Proxy
from benchmarks.chaos.world import World
from dialnexa_pipeline.sandbox import SandboxServer

_COLUMNS = "id BIGINT, mobile VARCHAR, name VARCHAR, workflow VARCHAR, updated_at TIMESTAMP"


class Place:
    """One history at a time; several places side by side share the zygote."""

    def __init__(self, family: Family) -> None:
        self.family = family
        memory = Path("/dev/shm")
        self.folder = Path(
            tempfile.mkdtemp(prefix="dialnexa-chaos-", dir=memory if memory.is_dir() else None)
        )
        self.sandbox = SandboxServer(state_path=self.folder / "sandbox.db")
        self._postgres: PostgresServer | None = None

    def __enter__(self) -> "Place":
        self.sandbox.start()
        port = int(self.sandbox.base_url.removesuffix("/v1").rpartition(":")[2])
        self.proxy = Proxy(port).__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        self.proxy.__exit__()
        self.sandbox.stop()
        if self._postgres is not None:
            self._postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def postgres(self) -> PostgresServer:
        """Started when it is first asked for."""
        if self._postgres is None:
            self._postgres = PostgresServer(self.folder)
        return self._postgres

    def prepare(self, world: World, folder: Path) -> dict[str, str]:
        """Set the sandbox and the warehouse up; returns the children's environment."""
        self.quieten()
        self.sandbox.control("POST", "reset")
        self.sandbox.behave(**world.behaviour)
        for workflow in world.workflows:
            self.sandbox.control("POST", "workflows", {"id": workflow, "status": "active"})
        for workflow, phones in world.foreign.items():
            self._enrol_foreign(workflow, phones)
        self.write_sources(world, folder)
        ledger = (
            f"sqlite:///{folder / 'ledger.db'}"
            if world.ledger == "sqlite"
            else self.postgres.fresh_database()
        )
        return {
            "DIALNEXA_HOME": str(folder),
            "DIALNEXA_WAREHOUSE_URL": f"{world.warehouse}:///{folder / 'warehouse.db'}",
            "DIALNEXA_LEDGER_URL": ledger,
            "DIALNEXA_STORE_URL": str(folder / "store"),
            "DIALNEXA_BASE_URL": f"http://127.0.0.1:{self.proxy.port}/v1",
            "DIALNEXA_API_KEY": self.sandbox.api_key,
            "DIALNEXA_SETTLE_SECONDS": str(world.settle),
            "DIALNEXA_READ_TIMEOUT_SECONDS": str(world.timing.read_timeout),
            "DIALNEXA_MAX_WAIT_SECONDS": str(world.timing.max_wait),
        }

    def clean(self, environment: dict[str, str]) -> None:
        """Drop what a history leaves in servers."""
        if environment["DIALNEXA_LEDGER_URL"].startswith("postgresql"):
            self.postgres.drop_database(environment["DIALNEXA_LEDGER_URL"])

    def quieten(self) -> list[dict[str, object]]:
        """Take back all faults that were not met; returns the sandbox's."""
        self.proxy.clear()
        left = self.sandbox.control("GET", "faults")
        self.sandbox.control("DELETE", "faults")
        return left

    def write_sources(self, world: World, folder: Path) -> None:
        """Bring the warehouse's source tables to what the world says."""
        path = str(folder / "warehouse.db")
        duck = world.warehouse == "duckdb"
        connection = duckdb.connect(path) if duck else sqlite3.connect(path)
        try:
            for table, rows in world.tables.items():
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({_COLUMNS})")
                connection.execute(f"DELETE FROM {table}")
                values = [
                    (row.key, row.mobile, row.name, row.workflow, f"{row.day} 12:00:00")
                    for row in rows
                ]
                _insert(connection, table, values)
            connection.commit()
        finally:
            connection.close()

    def _enrol_foreign(self, workflow: str, phones: list[str]) -> None:
        content = "phone_number,origin\r\n" + "".join(f"{phone},foreign\r\n" for phone in phones)
        httpx.post(
            f"{self.sandbox.base_url}/workflows/{workflow}/leads",
            headers={"authorization": f"Bearer {self.sandbox.api_key}"},
            files={"file": ("foreign.csv", content.encode(), "text/csv")},
        ).raise_for_status()


def _insert(
    connection: duckdb.DuckDBPyConnection | sqlite3.Connection,
    table: str,
    values: list[tuple[int | str, ...]],
) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", values)
    elif values:
        # Row by row DuckDB takes a millisecond each.
        arrays = [pa.array(column) for column in zip(*values, strict=True)]
        connection.register("given", pa.table(arrays, names=list("abcde")))
        connection.execute(f"INSERT INTO {table} SELECT a, b, c, d, e::TIMESTAMP FROM given")
        connection.unregister("given")
