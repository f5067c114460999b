"""The wheel alone makes another Dagster project's YAML document a sync."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import duckdb
import pytest

from dialnexa_pipeline.sandbox import SandboxServer

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
PYPROJECT = """
[project]
name = "acme"
version = "0"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "acme"
"""
DEFINITIONS = """
from pathlib import Path

import dagster as dg
from dialnexa_pipeline import default_resources

@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(resources=default_resources()),
    )
"""
SYNC = """
type: dialnexa_pipeline.LeadSyncComponent
attributes:
  name: renewals
  source: {table: policies, key: policy_id, phone: mobile, default_country: IN}
  workflow: wf_insurance
  variables: {name: holder}
"""


@pytest.fixture(scope="session")
def dagster_command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`dagster` of an environment that holds the built wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    locked = folder / "locked.txt"
    uv("export", "--frozen", "--no-hashes", "--no-emit-project", "--output-file", str(locked))
    uv("build", "--wheel", "--out-dir", str(folder))
    (wheel,) = folder.glob("*.whl")
    uv("venv", "--python", sys.executable, str(folder / "env"))
    python = folder / "env" / "bin" / "python"
    uv(
        "pip",
        "install",
        "--compile-bytecode",
        "--python",
        str(python),
        "-c",
        str(locked),
        str(wheel),
    )
    return python.with_name("dagster")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "acme"
    (package / "defs" / "renewals").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (package / "__init__.py").touch()
    (package / "definitions.py").write_text(DEFINITIONS)
    (package / "defs" / "renewals" / "defs.yaml").write_text(SYNC)
    return tmp_path


@pytest.fixture
def sandbox(tmp_path: Path) -> Generator[SandboxServer]:
    with SandboxServer(state_path=tmp_path / "sandbox.db") as server:
        yield server


def test_a_project_with_the_wheel_runs_its_sync(
    dagster_command: Path, project: Path, sandbox: SandboxServer
) -> None:
    (project / ".dialnexa").mkdir()
    with duckdb.connect(str(project / ".dialnexa" / "warehouse.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE policies AS SELECT i AS policy_id, 9876500000 + i AS mobile, "
            "'Holder ' || i AS holder FROM range(30) t(i)"
        )
    for _run in range(2):
        done = execute(dagster_command, project, sandbox)
        assert done.returncode == 0, done.stderr[-3000:]
        assert sandbox.count_leads() == 30
    with duckdb.connect(str(project / ".dialnexa" / "warehouse.duckdb")) as connection:
        found = connection.execute("SELECT count(*) FROM dialnexa_enrolments").fetchall()
    assert found == [(30,)]


def test_a_misspelt_key_is_named_with_its_file(
    dagster_command: Path, project: Path, sandbox: SandboxServer
) -> None:
    path = project / "acme" / "defs" / "renewals" / "defs.yaml"
    path.write_text(SYNC.replace("workflow:", "worfklow:"))
    done = execute(dagster_command, project, sandbox)
    assert done.returncode != 0
    assert "worfklow" in done.stderr
    assert "renewals/defs.yaml" in done.stderr


def execute(
    command: Path, project: Path, sandbox: SandboxServer
) -> subprocess.CompletedProcess[str]:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("DIALNEXA_", "PYTHON"))},
        "DAGSTER_HOME": str(project),
        "DIALNEXA_BASE_URL": sandbox.base_url,
        "DIALNEXA_API_KEY": sandbox.api_key,
    }
    return subprocess.run(
        [command, "job", "execute", "-m", "acme.definitions", "-j", "renewals"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def uv(*arguments: str) -> None:
    subprocess.run([UV, *arguments], cwd=ROOT, check=True, capture_output=True)
