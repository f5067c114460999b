"""A campaign that was stopped goes on where its file ends, and only with the same options."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.checker import Verdict
from benchmarks.chaos.history import HistoryResult
from benchmarks.chaos.results import OtherCampaign, Results


def _results(path: Path, *, go_on: bool, **options: Any) -> Results:
    return Results(path, first_seed=5, options={"leads": None, **options}, go_on=go_on)


def _history(seed: int, **verdict: Any) -> HistoryResult:
    found = Verdict(**{"violations": [], "enrolled": 10, **verdict})
    return HistoryResult(seed, "sqlite", found, 3, Counter(SIGKILL=1), 1.0, [])


def test_sums_are_added_up_in_the_order_of_seeds(tmp_path: Path) -> None:
    path = tmp_path / "results" / "chaos.json"
    stopped = _results(path, go_on=False)
    stopped.add(_history(5), 2.0)
    stopped.add(_history(7), 3.0)
    assert stopped.next_seed == 6

    following = _results(path, go_on=True)
    assert following.next_seed == 6
    following.add(_history(7, is_void=True), 4.0)
    following.add(_history(6, violations=["…1234 is enrolled 2 times in wf"], doubles=1), 5.0)

    totals = _results(path, go_on=True).totals
    assert (totals.histories, totals.runs, totals.enrolled, totals.doubles) == (3, 9, 20, 1)
    assert totals.faults == {"SIGKILL": 3}
    assert totals.void_seeds == [["sqlite", 7]]
    assert totals.failed_seeds == [["sqlite", 6]]
    assert '"seconds": 8.0' in path.read_text()


def test_other_options_are_another_campaign(tmp_path: Path) -> None:
    path = tmp_path / "chaos.json"
    _results(path, go_on=False).add(_history(5), 1.0)
    with pytest.raises(OtherCampaign, match=r"chaos\.json was made with"):
        _results(path, go_on=True, leads=10_000)
