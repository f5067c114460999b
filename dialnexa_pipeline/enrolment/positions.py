"""Which rows a 400 means that gives positions only: guesses, each tested by the next answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialnexa_pipeline.api import PositionError

# Number of the first data row: 2 counts the header as row 1.
_CONVENTIONS = (1, 0, 2)


@dataclass(frozen=True, slots=True)
class Guess:
    """One way of counting, and the rows that are refused if it is DialNexa's: index → why."""

    convention: int
    suspects: Mapping[int, PositionError]


def name_every_row(positions: Sequence[PositionError], rows: int) -> bool:
    """The positions are all of the file's rows, however DialNexa counts.

    Args:
        positions: each once, in order.
        rows: of the file.
    """
    return (
        len(positions) == rows > 0
        and positions[0].position in _CONVENTIONS
        and positions[-1].position - positions[0].position == rows - 1
    )


class Conventions:
    """What a run's answers have shown of how DialNexa counts rows."""

    def __init__(self) -> None:
        self._proved: int | None = None
        self._ruled_out: defaultdict[str, set[int]] = defaultdict(set)

    def guess(self, root: str, positions: Sequence[PositionError], rows: int) -> Guess | None:
        """The next guess about a root batch or one of its descendants.

        Returns:
            None when no convention is left, or when the guess would leave no rows to test it by.
        """
        if not positions or len(positions) >= rows:
            return None
        for convention in self._in_order():
            first = positions[0].position - convention
            last = positions[-1].position - convention
            if first < 0 or last >= rows:
                self._ruled_out[root].add(convention)
            elif convention not in self._ruled_out[root]:
                suspects = {error.position - convention: error for error in positions}
                return Guess(convention, suspects)
        return None

    def prove(self, guess: Guess) -> None:
        """The rest was accepted: this convention is tried first from now on."""
        self._proved = guess.convention

    def rule_out(self, root: str, guess: Guess) -> None:
        """The rest was refused again: the guess was wrong."""
        self._ruled_out[root].add(guess.convention)

    def _in_order(self) -> list[int]:
        return sorted(_CONVENTIONS, key=lambda convention: convention != self._proved)
