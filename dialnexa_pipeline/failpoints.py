"""Named points of the protocol at which a test may kill or break a process.

Off unless `DIALNEXA_FAILPOINT` is set when the process starts, as `name=action`, or `name=action@n`
for the n-th time the point is reached. Actions: `kill` (SIGKILL to the own process), `interrupt`
(KeyboardInterrupt) and `raise` (FailpointReached).
"""

import os
import signal
from collections.abc import Callable

FAILPOINTS = (
    "screen.staged",
    "plan.begun",
    "plan.claimed",
    "plan.file_written",
    "plan.file_noted",
    "plan.ready",
    "send.taken",
    "send.answered",
    "send.settled",
    "send.children_made",
    "send.child_written",
    "reconcile.listed",
    "reconcile.found_settled",
    "reconcile.absence_noted",
    "reconcile.absent_settled",
    "activate.verified",
    "withdraw.deleted",
    "replay.kept",
    "records.written",
    "records.marked",
    "progress.listed",
    "progress.written",
)


class FailpointReached(Exception):
    """A test asked this process to break here."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _raise() -> None:
    raise FailpointReached


_ACTIONS: dict[str, Callable[[], None]] = {
    "kill": _kill,
    "interrupt": _interrupt,
    "raise": _raise,
}


class _Armed:
    def __init__(self, text: str) -> None:
        self.name, _, rest = text.partition("=")
        action, _, times = rest.partition("@")
        if self.name not in FAILPOINTS or action not in _ACTIONS:
            raise ValueError(
                f"DIALNEXA_FAILPOINT is {text!r}; give one of {', '.join(FAILPOINTS)}, then "
                f"= and one of {', '.join(_ACTIONS)}"
            )
        self._act = _ACTIONS[action]
        self._left = int(times or 1)

    def meet(self, name: str) -> None:
        if name != self.name:
            return
        self._left -= 1
        if self._left == 0:
            self._act()


_armed: _Armed | None = None


def arm(text: str | None) -> None:
    """Arm one point of this process, or none."""
    global _armed  # noqa: PLW0603 - one switch a process, read on a hot path
    _armed = _Armed(text) if text else None


def reach(name: str) -> None:
    """Mark a point of the protocol; costs one comparison when nothing is armed."""
    if _armed is not None:
        _armed.meet(name)


arm(os.environ.get("DIALNEXA_FAILPOINT"))
