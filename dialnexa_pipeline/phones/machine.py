"""Deterministic automata over digits, many in one table, so that numpy runs a whole column."""

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

# The digit after the last one of a number; every state keeps itself on it.
END = 10
_WIDTH = 16
_FIRST_CAPACITY = 1024

States = NDArray[np.int32]
Column = NDArray[np.uint8]
Key = TypeVar("Key", bound=Hashable)


class Machine:
    """A growing table of states.

    Attributes:
        next: state, digit → state.
        labels: state → what a number that ends there is; its meaning is the user's.
    """

    def __init__(self) -> None:
        self.next = np.zeros((_FIRST_CAPACITY, _WIDTH), np.int32)
        self.labels = np.zeros(_FIRST_CAPACITY, np.int32)
        self._may_change = np.zeros(_FIRST_CAPACITY, np.bool_)
        self._size = 0

    def add(
        self, start: Key, steps: Callable[[Key], Sequence[Key]], label: Callable[[Key, str], int]
    ) -> int:
        """Add the automaton that `steps` describes; returns its start state.

        Args:
            steps: the keys after a key and each digit; finitely many keys may be reachable.
            label: the label of a key, given one number (its digits) that leads there.
        """
        first = self._size
        numbers = {start: first}
        waiting = [(start, "")]
        for key, witness in waiting:
            state = numbers[key]
            self._make_room(state)
            self.next[state, :] = state
            self.labels[state] = label(key, witness)
            row: list[int] = []
            for digit, following in enumerate(steps(key)):
                number = numbers.get(following)
                if number is None:
                    number = numbers[following] = first + len(numbers)
                    waiting.append((following, f"{witness}{digit}"))
                row.append(number)
            self.next[state, :10] = row
            self._may_change[state] = row != [state] * 10
        self._size = first + len(numbers)
        return first

    def run(self, starts: States, digits: list[Column]) -> States:
        """The labels of numbers.

        Args:
            starts: start state of each number.
            digits: the first digit of each number, the second …; `END` where it has no more.
        """
        table = self.next.ravel()
        states = starts.astype(np.int32)
        for column in digits:
            states = table.take((states << 4) | column)
        return self.labels.take(states)

    def run_until_decided(self, starts: States, digits: list[Column]) -> States:
        """The same, cheaper where most numbers are decided after a digit or two."""
        table = self.next.ravel()
        states = starts.astype(np.int32)
        active = np.flatnonzero(self._may_change.take(states))
        for column in digits:
            if active.size == 0:
                break
            moved = table.take((states.take(active) << 4) | column.take(active))
            states[active] = moved
            active = active[self._may_change.take(moved)]
        return self.labels.take(states)

    def _make_room(self, state: int) -> None:
        capacity = len(self.labels)
        if state < capacity:
            return
        self.next = np.concatenate([self.next, np.zeros((capacity, _WIDTH), np.int32)])
        self.labels = np.concatenate([self.labels, np.zeros(capacity, np.int32)])
        self._may_change = np.concatenate([self._may_change, np.zeros(capacity, np.bool_)])
