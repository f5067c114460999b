"""`preview`: what a run would do now, in a DataFrame, with nothing claimed and nothing sent."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from dialnexa_pipeline import preview
from dialnexa_pipeline.errors import ConfigError
from tests.components.conftest import BASE, Project

pytestmark = pytest.mark.servers


@pytest.fixture
def sheet(project: Project) -> Path:
    """A folder with the sync's YAML, over a source that holds a bit of everything."""
    project.fill(
        "INSERT INTO leads VALUES (500, '98765 00001', 'Same', now()), (501, '', 'Blank', now()), "
        "(502, '9876500777', ' ', now())"
    )
    document = {"type": "dialnexa_pipeline.LeadSyncComponent", "attributes": BASE}
    (project.folder / "defs.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return project.folder


def outcomes(frame: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(leads) for name, leads in frame["outcome"].value_counts().items()}


def test_a_preview_tells_what_the_run_then_does(project: Project, sheet: Path) -> None:
    before = preview("loans", project=sheet)
    assert outcomes(before) == {"planned": 120, "invalid": 2, "duplicate": 1}
    assert project.sandbox.count_leads() == 0
    same = before.set_index("lead_key").loc["500"]
    assert (same["reason"], same["phone"]) == ("duplicate/same_number", "+919876500001")
    assert before["var:name"].iloc[5] == "Lead 5"

    assert project.outcomes(project.run()) == {"enrolled": 120, "invalid": 2, "duplicate": 1}

    after = preview("loans", project=sheet)
    assert outcomes(after) == {"duplicate": 121, "invalid": 2}
    assert set(after["reason"]) >= {"duplicate/already_enrolled", "duplicate/same_number"}


def test_an_empty_source_is_an_empty_frame(project: Project, sheet: Path) -> None:
    project.fill("DELETE FROM leads")
    assert len(preview("loans", project=sheet)) == 0


def test_an_unknown_sync_is_named_with_the_choices(project: Project, sheet: Path) -> None:
    with pytest.raises(ConfigError, match=r"no sync 'lones'.*there are loans"):
        preview("lones", project=sheet)
