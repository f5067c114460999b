"""The demo keeps to its own files and its own sandbox, whatever the environment names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.servers

DIALNEXA = str(Path(sys.executable).with_name("dialnexa"))


def test_the_demo_touches_nothing_that_the_environment_names(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project = tmp_path / "project"
    project.mkdir()
    # Dagster lets the `.env` of its working directory overrule the environment.
    (project / ".env").write_text(
        f"DIALNEXA_LEDGER_URL=sqlite:///{elsewhere / 'dotenv.db'}\n"
        "DIALNEXA_BASE_URL=http://127.0.0.1:9/v1\n",
        encoding="utf-8",
    )
    exported = {
        "DIALNEXA_LEDGER_URL": f"sqlite:///{elsewhere / 'ledger.db'}",
        "DIALNEXA_WAREHOUSE_URL": f"duckdb:///{elsewhere / 'warehouse.duckdb'}",
        "DIALNEXA_STORE_URL": str(elsewhere / "store"),
        "DIALNEXA_DBT_TARGET": "postgres",
        "DAGSTER_HOME": str(elsewhere / "dagster"),
        "COLUMNS": "400",
    }
    environment = {**os.environ, **exported}
    environment.pop("DIALNEXA_HOME", None)
    done = subprocess.run(
        [DIALNEXA, "demo"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"uses its own files in {project / '.dialnexa'}" in done.stdout
    assert "it ignores DIALNEXA_LEDGER_URL, DIALNEXA_STORE_URL," in done.stdout
    assert "Enrolled by this run: 2," in done.stdout
    assert list(elsewhere.iterdir()) == []
