"""What a region takes off the front of a number before its plan is looked at."""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from dialnexa_pipeline.phones.machine import Machine, States
from dialnexa_pipeline.phones.plans import metadata_of, pattern_of
from dialnexa_pipeline.phones.positions import Positions, UnknownPattern
from dialnexa_pipeline.phones.prefixes import add_prefix_rule

_LENGTHS = 32


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of regions, one row each.

    Attributes:
        calling_code: for example 91.
        main: row of the region whose rules hold once the calling code is known.
        idd, prefix: start states in `Regions.prefixes`, of international and national prefixes.
        general: start state in `Regions.general`.
        strips_to: row, length → whether a prefix may be taken off and leave so many digits.
        too_long: row, length → whether a number is longer than any of the region.
    """

    calling_code: NDArray[np.int64]
    main: States
    idd: States
    prefix: States
    general: States
    strips_to: NDArray[np.bool_]
    too_long: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Row:
    calling_code: int
    main: int
    idd: int
    prefix: int
    general: int
    strips_to: NDArray[np.bool_]
    too_long: NDArray[np.bool_]


class Regions:
    """Rules of the regions that were asked for.

    Attributes:
        general: national number → 1 where the region's general description matches.
        prefixes: number → how many digits a prefix takes (`phones.prefixes`).
    """

    def __init__(self) -> None:
        self.general = Machine()
        self.prefixes = Machine()
        self._rows: list[_Row] = []
        self._numbers: dict[tuple[int, str], int | None] = {}
        self._lock = threading.Lock()

    def number(self, region: str) -> int | None:
        """The row of a region in `rules`; None when it cannot be compiled."""
        with self._lock:
            metadata = PhoneMetadata.metadata_for_region(region, None)
            code = metadata.country_code if metadata is not None else None
            return None if code is None else self._number(code, region)

    def main_number(self, calling_code: int) -> int | None:
        """The row of the region whose rules hold for numbers with this calling code."""
        with self._lock:
            return self._number(calling_code, COUNTRY_CODE_TO_REGION_CODE[calling_code][0])

    def rules(self) -> Rules:
        """All rows so far."""
        with self._lock:
            rows = list(self._rows)
        return Rules(
            np.array([row.calling_code for row in rows], np.int64),
            np.array([row.main for row in rows], np.int32),
            np.array([row.idd for row in rows], np.int32),
            np.array([row.prefix for row in rows], np.int32),
            np.array([row.general for row in rows], np.int32),
            np.array([row.strips_to for row in rows], np.bool_).reshape(-1, _LENGTHS),
            np.array([row.too_long for row in rows], np.bool_).reshape(-1, _LENGTHS),
        )

    def _number(self, calling_code: int, region: str) -> int | None:
        key = (calling_code, region)
        if key not in self._numbers:
            self._numbers[key] = None
            main_name = COUNTRY_CODE_TO_REGION_CODE[calling_code][0]
            main = self._number(calling_code, main_name) if main_name != region else None
            if main is not None or main_name == region:
                metadata = metadata_of(calling_code, region)
                self._numbers[key] = self._compile(calling_code, metadata, main)
        return self._numbers[key]

    def _compile(self, calling_code: int, metadata: PhoneMetadata, main: int | None) -> int | None:
        general = metadata.general_desc
        assert general is not None
        lengths, local = general.possible_length, general.possible_length_local_only
        number = len(self._rows)
        try:
            row = _Row(
                calling_code=calling_code,
                main=number if main is None else main,
                idd=add_prefix_rule(self.prefixes, metadata.international_prefix),
                prefix=add_prefix_rule(
                    self.prefixes,
                    metadata.national_prefix_for_parsing,
                    rewrites=bool(metadata.national_prefix_transform_rule),
                ),
                general=self._add_general(pattern_of(general) or ""),
                # `phonenumberutil._test_number_length`, for all lengths.
                strips_to=np.array(
                    [n not in local and (n in lengths or n > lengths[-1]) for n in range(_LENGTHS)]
                ),
                too_long=np.array([n not in local and n > lengths[-1] for n in range(_LENGTHS)]),
            )
        except UnknownPattern:
            return None
        self._rows.append(row)
        return number

    def _add_general(self, pattern: str) -> int:
        positions = Positions()
        whole = positions.add(pattern)

        def steps(key: tuple[int, bool]) -> list[tuple[int, bool]]:
            state, begun = key
            following = positions.after(state) if begun else whole.first
            return [(following & takes, True) for takes in positions.takes]

        return self.general.add((0, False), steps, lambda key, _: int(bool(key[0] & whole.last)))
