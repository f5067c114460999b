"""What a YAML document says is what a sync does: Dagster and the commands read it alike."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.testing import create_defs_folder_sandbox

from dialnexa_pipeline.components import LeadSyncComponent
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.project import sync_named
from dialnexa_pipeline.sync import SyncConfig
from tests.components.conftest import BASE

SYNC = "type: dialnexa_pipeline.LeadSyncComponent\n"


def written(**changes: Any) -> str:
    """The document of a sync."""
    return SYNC + yaml.safe_dump({"attributes": {**BASE, **changes}})


def of_commands(folder: Path, text: str, name: str = "loans") -> SyncConfig:
    """The sync as the commands of `dialnexa` read it."""
    (folder / "defs.yaml").write_text(text, encoding="utf-8")
    return sync_named(name, folder)


def of_dagster(text: str, *more: str) -> SyncConfig:
    """The sync as Dagster loads it; Dagster shows its own error and, below, the cause."""
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "loans"
        folder.mkdir()
        (folder / "defs.yaml").write_text("---\n".join([text, *more]), encoding="utf-8")
        with sandbox.build_component_tree() as tree:
            try:
                (component,) = tree.get_all_components(LeadSyncComponent)
            except ComponentTreeException as error:
                raise error.__cause__ or error from None
            return component.config


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ("  workflow: wf_other\n", "workflow: line {} gives this key again after line"),
        ("  guard: {max_leads: 5, max_leads: 500}\n", "guard.max_leads: line {} gives this key"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_with_its_line(
    tmp_path: Path, again: str, said: str
) -> None:
    text = written() + again
    sentence = said.format(len(text.splitlines()))
    with pytest.raises(ConfigError) as by_commands:
        of_commands(tmp_path, text)
    assert str(tmp_path / "defs.yaml") in str(by_commands.value)
    assert sentence in str(by_commands.value)
    with pytest.raises(ConfigError, match=r"defs\.yaml: ") as by_dagster:
        of_dagster(text)
    assert sentence in str(by_dagster.value)


def test_a_key_that_an_anchor_merges_in_may_be_given_again(tmp_path: Path) -> None:
    text = written() + "  guard: {<<: &usual {max_leads: 5}, max_growth: 3}\n"
    text += "  checks: {<<: {min_rejected: 1}, min_rejected: 2}\n"
    for sync in (of_commands(tmp_path, text), of_dagster(text)):
        assert (sync.guard.max_leads, sync.checks.min_rejected) == (5, 2)


TEMPLATES = {
    "workflow": "{{ env.TEST_WORKFLOW }}",
    "timezone": "{{ env('TEST_ZONE', 'Asia/Kolkata') }}",
    "schedule": "{{ env.TEST_CRON or '0 9 * * *' }}",
    "owners": ["{{ env.TEST_OWNER or 'team:growth' }}"],
    "variables": {"name": "{{ env.TEST_COLUMN or 'name' }}"},
    "guard": {"max_leads": 7},
}


@pytest.mark.parametrize("workflow", ["wf_1", "0123", "123", "1e5x", "true story"])
def test_templates_are_filled_in_by_the_commands_as_by_dagster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workflow: str
) -> None:
    monkeypatch.setenv("TEST_WORKFLOW", workflow)
    text = written(**TEMPLATES)
    for sync in (of_commands(tmp_path, text), of_dagster(text)):
        assert (sync.workflow, sync.timezone) == (workflow, "Asia/Kolkata")
        assert (sync.variables, sync.owners) == ({"name": "name"}, ["team:growth"])
        assert sync.schedule == "0 9 * * *"


def test_text_that_is_no_template_stays_as_it_is_written(tmp_path: Path) -> None:
    text = written(workflow="123", variables={"name": "True"})
    for sync in (of_commands(tmp_path, text), of_dagster(text)):
        assert (sync.workflow, sync.variables["name"]) == ("123", "True")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workflow": "{{ env.TEST_UNSET }}"}, "workflow: its template gives nothing; set the"),
        ({"timezone": "{{ env('TEST_ZONE') }}"}, "timezone 'Bombay' is not an IANA zone"),
    ],
)
def test_a_template_without_a_sensible_value_is_refused_with_its_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setenv("TEST_ZONE", "Bombay")
    text = written(**changes)
    for read in (lambda: of_commands(tmp_path, text), lambda: of_dagster(text)):
        with pytest.raises(ConfigError, match=r"defs\.yaml: ") as caught:
            read()
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ env('TEST_UNSET') }}", "workflow: the environment variable TEST_UNSET is not set"),
        ("{{ my_workflow }}", "workflow: its template cannot be filled in outside Dagster"),
        ("{{ my.workflow() }}", "workflow: its template cannot be filled in outside Dagster"),
        ("{{ env.", "workflow: its template cannot be filled in outside Dagster"),
        ("{{ 1 + 'a' }}", "workflow: its template cannot be filled in outside Dagster"),
    ],
)
def test_a_command_says_which_template_it_cannot_fill_in(
    tmp_path: Path, template: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=r"defs\.yaml: ") as caught:
        of_commands(tmp_path, written(workflow=template))
    assert said in str(caught.value)


def test_dagster_names_the_files_of_two_syncs_with_one_name() -> None:
    with pytest.raises(ConfigError) as caught:
        of_dagster(written(), written(workflow="wf_other"))
    assert "2 syncs have the name 'loans', in " in str(caught.value)
    assert str(caught.value).count("defs.yaml") == 2
