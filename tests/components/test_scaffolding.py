"""A scaffolded sync is a whole one: only its three edits stand between it and a run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dialnexa_pipeline.project import find_syncs
from dialnexa_pipeline.yaml_schema import document_schema

pytestmark = pytest.mark.servers

PYPROJECT = """
[project]
name = "acme"
version = "0"
[tool.dg]
directory_type = "project"
[tool.dg.project]
root_module = "acme"
"""


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    (tmp_path / "acme" / "defs").mkdir(parents=True)
    (tmp_path / "acme" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


DEFINITIONS = """
from pathlib import Path

import dagster as dg
from dialnexa_pipeline import default_resources

defs = dg.Definitions.merge(
    dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
    dg.Definitions(resources=default_resources()),
)
"""


def run_dg(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    dg = Path(sys.executable).with_name("dg")
    return subprocess.run([dg, *words], cwd=project, capture_output=True, text=True, check=False)


def scaffold(project: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    words = ["scaffold", "defs", "dialnexa_pipeline.LeadSyncComponent", name, *more]
    return run_dg(project, *words)


def test_a_scaffolded_sync_needs_three_edits_and_no_more(acme: Path) -> None:
    done = scaffold(acme, "Home-Loans 2")
    assert done.returncode == 0, done.stderr
    path = acme / "acme" / "defs" / "Home-Loans 2" / "defs.yaml"
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    schema = json.loads((path.parent / first.partition("=")[2]).read_text())
    assert schema == document_schema()
    assert path.read_text().count("EDIT") == 3
    (found,) = find_syncs(acme)
    assert found.problem == ""
    assert found.config is not None
    assert found.config.name == "home_loans_2"
    # Every line that is commented out is a key of a sync as well.
    lines = path.read_text().splitlines()
    uncommented = [
        line.replace("# ", "", 1) if line.lstrip().startswith("# ") else line for line in lines
    ]
    text = "\n".join(line for line in uncommented if "EDIT" not in line and "docs/" not in line)
    path.write_text(text)
    assert isinstance(yaml.safe_load(text), dict)
    (found,) = find_syncs(acme)
    assert found.problem == ""
    assert found.config is not None
    assert found.config.partitions is not None


def test_python_is_refused_in_a_sentence(acme: Path) -> None:
    done = scaffold(acme, "loans", "--format", "python")
    assert done.returncode != 0
    assert "one YAML document" in done.stdout + done.stderr


def test_scaffolded_alerts_load_and_take_values_from_the_environment(
    acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (acme / "acme" / "definitions.py").write_text(DEFINITIONS)
    monkeypatch.setenv("DIALNEXA_SLACK_TOKEN", "xoxb-of-a-test")
    monkeypatch.setenv("DAGSTER_URL", "https://dagster.example.com")
    assert (
        run_dg(acme, "scaffold", "defs", "dialnexa_pipeline.AlertsComponent", "a").returncode == 0
    )
    path = acme / "acme" / "defs" / "a" / "defs.yaml"
    url = '  webserver_base_url: "{{ env.DAGSTER_URL }}"\n'
    path.write_text(path.read_text() + url)
    checked = run_dg(acme, "check", "defs")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    monkeypatch.setenv("DAGSTER_URL", "dagster.example.com")
    checked = run_dg(acme, "check", "defs")
    assert checked.returncode != 0
    assert "webserver_base_url" in checked.stdout + checked.stderr
