"""A sync whose document is broken does not disappear: its file and its mistake are named."""

from pathlib import Path

import pytest

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.project import find_syncs, sync_named

LOANS = """\
type: dialnexa_pipeline.LeadSyncComponent
attributes:
  name: loans
  source: {table: leads, key: id, phone: mobile}
  workflow: wf
"""


def said_of(folder: Path, text: str, name: str = "loans") -> str:
    """What a command says that is given the sync's name."""
    (folder / "defs.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        sync_named(name, folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("name: loans", "name: loans: x", "line 3: this is not YAML (mapping values are not"),
        ("LeadSyncComponent", "LeadSinkComponent", "there is no component 'dialnexa_pipeline.Lead"),
        ("LeadSyncComponent", "Leads", "did you mean 'dialnexa_pipeline.LeadSyncComponent'?"),
        ("dialnexa_", "dialnxa_", "did you mean 'dialnexa_pipeline.LeadSyncComponent'?"),
        ("type:", "tpye:", "unknown key 'tpye'; did you mean 'type'?"),
        ("workflow: wf", "worfklow: wf", "unknown key 'worfklow'; did you mean 'workflow'?"),
        ("  name: loans\n", "", "name: Field required"),
    ],
)
def test_a_broken_document_is_named_with_its_mistake(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    sentence = said_of(tmp_path, LOANS.replace(right, wrong))
    assert f"{tmp_path / 'defs.yaml'}: " in sentence
    assert said in sentence
    assert sentence[-1] in ".?"
    assert "?." not in sentence
    assert "none" not in sentence


def test_of_a_sync_that_is_found_but_wrong_nothing_else_is_said(tmp_path: Path) -> None:
    sentence = said_of(tmp_path, LOANS.replace("workflow", "worfklow"))
    assert sentence.startswith(f"{tmp_path / 'defs.yaml'}: attributes: unknown key 'worfklow'")


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "defs.yaml").write_bytes(LOANS.replace("wf", "wf # für").encode("utf-16"))
    (tmp_path / "latin.yaml").write_bytes(LOANS.replace("wf", "wf_ü\x85").encode("latin-1"))
    assert [found.problem for found in find_syncs(tmp_path)] == [
        "this is not UTF-8 text; save it as UTF-8"
    ] * 2


@pytest.mark.parametrize(
    "text",
    [
        "type: dialnexa_pipeline.AlertsComponent\nattributes: {slack: {channel: '#c'}}\n",
        "type: dialnexa_pipeline.defs.crm_dbt.CrmDbtComponent\n",
        "type: dagster_dbt.DbtProjectComponent\n",
        "models:\n  {{ template }}: [\n",
        "- one\n- two\n",
        "type: [a]\n",
    ],
)
def test_documents_of_others_are_none_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "defs.yaml").write_text(text, encoding="utf-8")
    assert find_syncs(tmp_path) == []


def test_two_documents_with_one_name_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(LOANS, encoding="utf-8")
    sentence = said_of(tmp_path, LOANS)
    assert str(tmp_path / "b.yaml") in sentence
    assert str(tmp_path / "defs.yaml") in sentence
    assert "give one of them another name" in sentence
    assert all(found.config is None for found in find_syncs(tmp_path))
