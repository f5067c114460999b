"""How many digits a rule takes off the front of a number, as an automaton.

Where every match of a rule at the front of a number has the same length, that length is what any
matcher finds, whatever its order of trying; other numbers are `UNDECIDED` and left to
`phonenumbers`.
"""

from dialnexa_pipeline.phones.machine import Machine
from dialnexa_pipeline.phones.positions import Positions

UNDECIDED = 255

# (positions, lengths at which the rule has matched, digits read)
_Key = tuple[int, tuple[int, ...], int]


def add_prefix_rule(machine: Machine, pattern: str | None, *, rewrites: bool = False) -> int:
    """Add a rule and return its start state; labels are lengths, 0 for no match.

    Args:
        pattern: as the metadata has it; None never matches.
        rewrites: a match may put other digits in front, so every one is `UNDECIDED`.

    Raises:
        UnknownPattern: see `Positions.add`.
    """
    positions = Positions()
    rule = positions.add(pattern) if pattern else None

    def steps(key: _Key) -> list[_Key]:
        state, lengths, read = key
        if not state or rule is None:
            return [key] * 10
        following = rule.first if read == 0 else positions.after(state)
        found = [following & takes for takes in positions.takes]
        matched = (*lengths, read + 1)
        return [
            (each, matched if each & rule.last else lengths, read + 1) if each else (0, lengths, 0)
            for each in found
        ]

    def label(key: _Key, _witness: str) -> int:
        state, lengths, read = key
        following = 0
        if rule is not None:
            following = rule.first if read == 0 and state else positions.after(state)
        if following & positions.ends or len(lengths) > 1:
            return UNDECIDED
        if not lengths:
            return 0
        return UNDECIDED if rewrites else lengths[0]

    # Before the first digit the state is no position; any bit says that the rule may still match.
    return machine.add((1 if rule is not None else 0, (), 0), steps, label)
