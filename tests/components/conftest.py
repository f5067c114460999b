"""A project with a warehouse, a ledger, a store and the sandbox, all real."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.sandbox import SandboxServer
from dialnexa_pipeline.sync import SyncConfig

BASE: dict[str, Any] = {
    "name": "loans",
    "source": {"table": "leads", "key": "id", "phone": "mobile", "default_country": "IN"},
    "workflow": "wf_home_loans",
    "variables": {"name": "name"},
    "required_variables": ["name"],
    "batch": {"max_rows": 50},
}


@dataclass
class Project:
    """Runs syncs and looks at what they left behind."""

    folder: Path
    sandbox: SandboxServer
    instance: dg.DagsterInstance

    def fill(self, sql: str) -> None:
        with duckdb.connect(str(self.folder / "w.duckdb")) as connection:
            connection.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "w.duckdb")) as connection:
            return connection.execute(sql).fetchall()

    def definitions(self, **changes: Any) -> dg.Definitions:
        """The sync's definitions, bound to this project."""
        config = SyncConfig.model_validate({**BASE, **changes})
        return dg.Definitions.merge(
            sync_definitions(config), dg.Definitions(resources=default_resources())
        )

    def run(
        self,
        *,
        selection: list[str] | None = None,
        partition: str | None = None,
        full_scan: bool = False,
        tags: dict[str, str] | None = None,
        **changes: Any,
    ) -> dg.ExecuteInProcessResult:
        name = changes.get("name", BASE["name"])
        screening = {f"{name}__screened_leads": {"config": {"full_scan": True}}}
        keys = [dg.AssetKey([name, asset]) for asset in selection] if selection else None
        return (
            self.definitions(**changes)
            .resolve_job_def(name)
            .execute_in_process(
                instance=self.instance,
                raise_on_error=False,
                asset_selection=keys,
                partition_key=partition,
                tags=tags,
                run_config={"ops": screening} if full_scan else None,
            )
        )

    def status(self, result: dg.ExecuteInProcessResult) -> dg.DagsterRunStatus:
        """How the instance remembers a run."""
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        return run.status

    def outcomes(self, result: dg.ExecuteInProcessResult) -> dict[str, int]:
        """Outcome → leads, as the enrolments asset of a run showed it."""
        for event in result.get_asset_materialization_events():
            if event.asset_key is not None and event.asset_key.path[-1] == "enrolments":
                metadata = event.materialization.metadata
                return {
                    name.removeprefix("leads/"): int(value.value)  # type: ignore[arg-type]
                    for name, value in metadata.items()
                    if name.startswith("leads/")
                }
        return {}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxServer]:
    with SandboxServer(state_path=tmp_path_factory.mktemp("sandbox") / "state.db") as server:
        yield server


@pytest.fixture
def project(
    tmp_path: Path,
    sandbox: SandboxServer,
    sqlite_ledger_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[Project]:
    sandbox.control("POST", "reset")
    for name, value in {
        "DIALNEXA_HOME": str(tmp_path),
        "DIALNEXA_LEDGER_URL": sqlite_ledger_url,
        "DIALNEXA_WAREHOUSE_URL": f"duckdb:///{tmp_path / 'w.duckdb'}",
        "DIALNEXA_BASE_URL": sandbox.base_url,
        "DIALNEXA_API_KEY": sandbox.api_key,
        "DIALNEXA_SETTLE_SECONDS": "0",
    }.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(tmp_path, sandbox, instance)
        project.fill(
            "CREATE TABLE leads AS SELECT i AS id, '98765' || lpad(i::varchar, 5, '0') AS mobile, "
            "'Lead ' || i AS name, TIMESTAMPTZ '2026-01-01 12:00:00+00' + INTERVAL (i % 3) DAY "
            "AS updated_at FROM range(120) t(i)"
        )
        yield project
