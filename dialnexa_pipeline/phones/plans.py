"""Numbering plans: national number → validity, region and type, an automaton a calling code.

The patterns of all regions that share a calling code run side by side, so a state tells which of
them a number matches, and its depth how long the number is; `phonenumbers` looks at nothing else.
Numbers that end in one state are therefore alike, and one of them is shown to `phonenumbers`.
"""

import threading

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberDesc,
)

from dialnexa_pipeline.phones.machine import Machine
from dialnexa_pipeline.phones.positions import Positions, UnknownPattern
from dialnexa_pipeline.phones.verdicts import Judgement, judge

NON_GEOGRAPHIC = "001"
# Beyond this `phonenumbers` says TOO_LONG before it looks at any pattern.
LONGEST_NATIONAL = 17
# The label of numbers that only `phonenumbers` decides.
UNDECIDED_PLAN = 0

_KINDS = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)
_SHORTEST_NATIONAL = 2


def metadata_of(calling_code: int, region: str) -> PhoneMetadata:
    """The metadata of one of the regions of a calling code."""
    if region == NON_GEOGRAPHIC:
        found = PhoneMetadata.metadata_for_nongeo_region(calling_code, None)
    else:
        found = PhoneMetadata.metadata_for_region(region, None)
    assert found is not None
    return found


def pattern_of(description: PhoneNumberDesc | None) -> str | None:
    """What numbers of a description look like; None when there are none."""
    return description.national_number_pattern if description is not None else None


class Plans:
    """Automata of the calling codes that were asked for.

    Attributes:
        machine: national number → index into `judgements`.
        judgements: what the labels mean; the first stands for `UNDECIDED_PLAN`.
    """

    def __init__(self) -> None:
        self.machine = Machine()
        self.judgements: list[Judgement] = [Judgement()]
        self._labels: dict[Judgement, int] = {}
        self._starts: dict[int, int] = {}
        self._lock = threading.Lock()
        # No number is decided from this state on.
        self.undecided = self.machine.add(None, lambda key: [key] * 10, lambda *_: UNDECIDED_PLAN)

    def start(self, calling_code: int) -> int:
        """Start state for the national numbers of a calling code."""
        with self._lock:
            if calling_code not in self._starts:
                try:
                    self._starts[calling_code] = self._compile(calling_code)
                except UnknownPattern:
                    self._starts[calling_code] = self.undecided
            return self._starts[calling_code]

    def _compile(self, calling_code: int) -> int:
        positions = Positions()
        first = valid = 0
        for region in COUNTRY_CODE_TO_REGION_CODE[calling_code]:
            metadata = metadata_of(calling_code, region)
            general = positions.add(pattern_of(metadata.general_desc) or "")
            first, valid = first | general.first, valid | general.last
            for kind in _KINDS:
                pattern = pattern_of(getattr(metadata, kind))
                if pattern:
                    first |= positions.add(pattern).first
            if metadata.leading_digits:
                first |= positions.add(metadata.leading_digits, then_anything=True).first
        invalid: dict[int, int] = {}

        def steps(key: tuple[int, int]) -> list[tuple[int, int]]:
            state, read = key
            if read > LONGEST_NATIONAL:
                return [key] * 10
            following = positions.after(state) if read else first
            return [(following & takes, read + 1) for takes in positions.takes]

        def label(key: tuple[int, int], witness: str) -> int:
            state, read = key
            if read > LONGEST_NATIONAL:
                return UNDECIDED_PLAN
            if read < _SHORTEST_NATIONAL:
                return self._label(Judgement(reason="too_short"))
            if state & valid:
                return self._label(judge(_number(calling_code, witness)))
            # No region's general description matches: only the length says why not.
            if read not in invalid:
                invalid[read] = self._label(judge(_number(calling_code, witness)))
            return invalid[read]

        return self.machine.add((0, 0), steps, label)

    def _label(self, judgement: Judgement) -> int:
        if judgement not in self._labels:
            self._labels[judgement] = len(self.judgements)
            self.judgements.append(judgement)
        return self._labels[judgement]


def _number(calling_code: int, national: str) -> PhoneNumber:
    significant = national.lstrip("0") or "0"
    zeros = len(national) - len(significant)
    return PhoneNumber(
        country_code=calling_code,
        national_number=int(significant),
        italian_leading_zero=True if zeros else None,
        number_of_leading_zeros=zeros if zeros > 1 else None,
    )
