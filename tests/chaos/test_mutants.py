"""The harness can fail: every way of breaking the protocol is noticed, and by the right words."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.chaos.campaign import tell
from benchmarks.chaos.history import History, HistoryResult
from benchmarks.chaos.place import Place
from benchmarks.chaos.schedule import Event, RunOrder
from tests.chaos import mutants
from tests.chaos.scene import nine_people

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]

_AT_MOST = 12
_RUN = RunOrder("sync")
_LATER = RunOrder("reconcile", start_after=0.15)
_TWICE = "is enrolled . times in"


def _fault(kind: str, **options: Any) -> dict[str, Any]:
    return {"kind": kind, "method": "POST", "path": "/workflows/", **options}


@dataclass(frozen=True, slots=True)
class _Case:
    """What such a mistake meets sooner or later, and the words that must betray it."""

    events: tuple[Event, ...]
    betrayed_by: str = _TWICE


CASES = {
    "claims_are_not_enforced": _Case((Event((_RUN,)), Event((_RUN,)))),
    "sent_before_it_is_noted": _Case((Event((RunOrder("sync", failpoint="send.answered=kill"),)),)),
    "a_5xx_counts_as_not_sent": _Case((Event((_RUN,), (_fault("error_after", status=504),)),)),
    "a_timeout_is_posted_again": _Case((Event((_RUN,), (_fault("slow", seconds=0.6),)),)),
    "a_doubt_is_planned_again": _Case((Event((_RUN,), (_fault("reset_after"),)),)),
    "absence_counts_at_once": _Case(
        (
            Event((_RUN,), (_fault("late_visibility", seconds=0.7), _fault("reset_after"))),
            Event((RunOrder("reconcile"),)),
        )
    ),
    "leases_run_out_at_once": _Case(
        (Event((_RUN, *[_LATER] * 6), (_fault("slow", seconds=0.3, times=6),)),),
        "was taken from its sender before the lease ran out",
    ),
    "a_shortfall_is_ignored": _Case(
        (Event((_RUN,), (_fault("partial_accept", share=0.5),)),),
        "is enrolled in the ledger and not in",
    ),
}


@pytest.mark.parametrize("mutant", mutants.MUTANTS)
def test_a_broken_protocol_is_noticed(where: list[Place], mutant: str) -> None:
    case = CASES[mutant]
    told: list[HistoryResult] = []
    for _ in range(_AT_MOST):
        told.append(
            History(
                nine_people(), list(case.events), where[0], f"tests.chaos.mutants:{mutant}"
            ).play()
        )
        if re.search(case.betrayed_by, "\n".join(told[-1].verdict.violations)):
            return
    pytest.fail(f"{_AT_MOST} histories did not betray {mutant}:\n" + "\n".join(map(tell, told)))


@pytest.mark.parametrize("mutant", mutants.MUTANTS)
def test_without_the_mutant_the_same_events_are_harmless(where: list[Place], mutant: str) -> None:
    result = History(nine_people(), list(CASES[mutant].events), where[0]).play()
    assert not result.verdict.violations, tell(result)
    assert result.verdict.enrolled == 9
