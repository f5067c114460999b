"""Patterns over digits as one position automaton (Glushkov 1961).

Every place in a pattern where a digit is read is a position, and a state is the set of positions
that may have read the last digit, held as the bits of one integer. Reading a digit is then two
steps of integer arithmetic, `follow` of the state AND the positions that take the digit, however
many patterns stand side by side: each keeps bits of its own. libphonenumber's metadata needs only
literals, classes, branches and bounded repeats, and `$` in rules for national prefixes.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

# Python's own parser of regular expressions, which has no public name and no types.
parser: Any = import_module("re._parser")
operator: Any = import_module("re._constants")

_ALL_DIGITS = (1 << 10) - 1


class UnknownPattern(ValueError):
    """The pattern is more than literals, classes, branches and bounded repeats."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where one pattern begins and ends among the positions.

    Attributes:
        first: positions that may read its first digit.
        last: positions after whose digit it has matched.
        is_nullable: it matches no digit at all.
    """

    first: int
    last: int
    is_nullable: bool


_NOTHING = Pattern(0, 0, is_nullable=True)


class Positions:
    """Positions of any number of patterns.

    Attributes:
        takes: digit → the positions that read it.
        ends: positions that stand for the end of the text (`$`); no digit takes them.
    """

    def __init__(self) -> None:
        self.takes = [0] * 10
        self.ends = 0
        self._follow: list[int] = []
        # Each state is asked for once a digit.
        self._after: dict[int, int] = {}

    def add(self, pattern: str, *, then_anything: bool = False) -> Pattern:
        """Add a pattern.

        Args:
            then_anything: it has matched however the text goes on, as `re.match` sees it.

        Raises:
            UnknownPattern: it holds something that the metadata never did.
        """
        self._after.clear()
        found = self._sequence(parser.parse(pattern))
        return self._then(found, self._any_digits()) if then_anything else found

    def after(self, state: int) -> int:
        """The positions that may read the next digit."""
        if state not in self._after:
            found, left = 0, state
            while left:
                lowest = left & -left
                found |= self._follow[lowest.bit_length() - 1]
                left ^= lowest
            self._after[state] = found
        return self._after[state]

    def _position(self, digits: int) -> Pattern:
        bit = 1 << len(self._follow)
        self._follow.append(0)
        for digit in range(10):
            if digits >> digit & 1:
                self.takes[digit] |= bit
        return Pattern(bit, bit, is_nullable=False)

    def _any_digits(self) -> Pattern:
        one = self._position(_ALL_DIGITS)
        self._connect(one.last, one.first)
        return Pattern(one.first, one.last, is_nullable=True)

    def _connect(self, before: int, following: int) -> None:
        while before:
            lowest = before & -before
            self._follow[lowest.bit_length() - 1] |= following
            before ^= lowest

    def _then(self, left: Pattern, right: Pattern) -> Pattern:
        self._connect(left.last, right.first)
        return Pattern(
            left.first | (right.first if left.is_nullable else 0),
            right.last | (left.last if right.is_nullable else 0),
            left.is_nullable and right.is_nullable,
        )

    def _sequence(self, parsed: Any) -> Pattern:
        whole = _NOTHING
        for code, argument in parsed:
            whole = self._then(whole, self._part(code, argument))
        return whole

    def _part(self, code: Any, argument: Any) -> Pattern:
        if code in (operator.LITERAL, operator.IN):
            return self._position(_digits_of(code, argument))
        if code is operator.SUBPATTERN:
            return self._sequence(argument[3])
        if code is operator.BRANCH:
            branches = [self._sequence(branch) for branch in argument[1]]
            first = last = 0
            for branch in branches:
                first, last = first | branch.first, last | branch.last
            return Pattern(first, last, any(branch.is_nullable for branch in branches))
        if code is operator.MAX_REPEAT and argument[1] is not operator.MAXREPEAT:
            return self._repeat(*argument)
        if code is operator.AT and argument is operator.AT_END:
            end = self._position(0)
            self.ends |= end.first
            return end
        raise UnknownPattern(f"{code} in a pattern of the phone metadata is not known here")

    def _repeat(self, least: int, most: int, parsed: Any) -> Pattern:
        whole = _NOTHING
        for number in range(most):
            part = self._sequence(parsed)
            if number >= least:
                part = Pattern(part.first, part.last, is_nullable=True)
            whole = self._then(whole, part)
        return whole


def _digits_of(code: Any, argument: Any) -> int:
    if code is operator.LITERAL:
        return _range_of(argument, argument)
    digits = 0
    for kind, value in argument:
        if kind is operator.LITERAL:
            digits |= _range_of(value, value)
        elif kind is operator.RANGE:
            digits |= _range_of(*value)
        elif kind is operator.CATEGORY and value is operator.CATEGORY_DIGIT:
            digits |= _ALL_DIGITS
        else:
            raise UnknownPattern(f"{kind} in a class of the phone metadata is not known here")
    return digits


def _range_of(first: int, last: int) -> int:
    found = 0
    for character in range(first, last + 1):
        if not ord("0") <= character <= ord("9"):
            raise UnknownPattern(f"{chr(character)!r} in the phone metadata is not a digit")
        found |= 1 << character - ord("0")
    return found
