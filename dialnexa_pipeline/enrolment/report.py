"""What a sending pass did, and why it ended where it did."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class SendReport:
    """What a sending pass did.

    Attributes:
        posts: uploads that were tried; repetitions after 429 are not counted.
        problems: one sentence per batch or workflow that could not be sent.
        stopped: why sending ended in failure before the last batch; None when it did not.
        paused: why sending ended before the last batch though nothing is wrong: the batches left
            stay planned, and a later run sends them. None when it did not.
    """

    posts: int = 0
    problems: list[str] = field(default_factory=list[str])
    stopped: str | None = None
    paused: str | None = None

    @classmethod
    def of_all(cls, reports: Iterable["SendReport"]) -> "SendReport":
        """What the senders of a pass did together."""
        whole = cls()
        for report in reports:
            whole.posts += report.posts
            whole.problems += report.problems
            whole.stopped = whole.stopped or report.stopped
            whole.paused = whole.paused or report.paused
        return whole

    @property
    def is_over(self) -> bool:
        """No other batch may be sent in this pass."""
        return self.stopped is not None or self.paused is not None
