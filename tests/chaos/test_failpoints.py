"""Killed exactly here: after SIGKILL at each named point, the next runs put everything right."""

import re
from pathlib import Path

import pytest

import dialnexa_pipeline
from benchmarks.chaos.campaign import tell
from benchmarks.chaos.history import History
from benchmarks.chaos.place import Place
from benchmarks.chaos.scale import SMALL
from benchmarks.chaos.schedule import Event, RunOrder
from dialnexa_pipeline.failpoints import FAILPOINTS
from tests.chaos.scene import nine_people

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]

_SETTLE = SMALL.timing.settle
_UPLOADS = {"method": "POST", "path": "/workflows/"}
_ACCEPTED = Event((RunOrder("sync"),), ({"kind": "error_after", "status": 504, **_UPLOADS},))
_NOT_RECEIVED = Event((RunOrder("sync"),), ({"kind": "reset_before", **_UPLOADS},))
_SEEN_ABSENT = Event((RunOrder("reconcile"),), wait=_SETTLE)

# Point → what happens before the run that is killed there, and that run.
CASES: dict[str, tuple[list[Event], RunOrder, float]] = {
    **{
        name: ([], RunOrder("sync"), 0.0)
        for name in FAILPOINTS
        if name.startswith(("screen.", "plan.", "send.", "records."))
    },
    "reconcile.listed": ([_ACCEPTED], RunOrder("reconcile"), 0.0),
    "reconcile.found_settled": ([_ACCEPTED], RunOrder("reconcile"), 0.0),
    "reconcile.absence_noted": ([_NOT_RECEIVED], RunOrder("reconcile"), _SETTLE),
    "reconcile.absent_settled": (
        [_NOT_RECEIVED, _SEEN_ABSENT],
        RunOrder("reconcile"),
        _SETTLE / 15,
    ),
}
# Points that a sync never reaches, and the test that kills a process there.
ELSEWHERE = {
    "activate.verified": "tests/components/test_activation.py",
    "withdraw.deleted": "tests/components/test_people.py",
    "replay.kept": "tests/components/test_replaying.py",
    "progress.listed": "tests/components/test_progress.py",
    "progress.written": "tests/components/test_progress.py",
}


def test_every_point_that_the_package_reaches_has_a_case() -> None:
    package = Path(dialnexa_pipeline.__file__).parent
    code = "".join(path.read_text() for path in package.rglob("*.py"))
    reached = set(re.findall(r'reach\("([a-z_.]+)"\)', code))
    assert reached <= set(FAILPOINTS)
    assert reached == (CASES.keys() & reached) | ELSEWHERE.keys()
    for name, path in ELSEWHERE.items():
        assert f'"{name}=kill' in (package.parent / path).read_text()


@pytest.mark.parametrize("name", CASES)
def test_killed_exactly_here(where: list[Place], name: str) -> None:
    before, run, wait = CASES[name]
    killed = RunOrder(run.kind, failpoint=f"{name}=kill@1")
    history = History(nine_people(), [*before, Event((killed,), wait=wait)], where[0])
    result = history.play()
    assert result.faults[f"failpoint {name}"] == 1, "the point was not reached"
    assert not result.verdict.violations, tell(result)
    assert result.verdict.enrolled == 9


@pytest.mark.parametrize("name", ["screen.staged", "plan.claimed", "plan.ready", "send.answered"])
def test_a_cursor_passes_nobody_whom_a_killed_run_left(where: list[Place], name: str) -> None:
    killed = RunOrder("sync", failpoint=f"{name}=kill@1")
    history = History(nine_people(cursor=True), [Event((killed,))], where[0])
    result = history.play()
    assert result.faults[f"failpoint {name}"] == 1, "the point was not reached"
    assert not result.verdict.violations, tell(result)
    assert result.verdict.enrolled == 9
