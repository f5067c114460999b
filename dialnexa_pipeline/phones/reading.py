"""Digits to E.164, in the order in which `phonenumbers.parse` goes about it.

International prefix, calling code, national prefix, plan: each step is one look into a table for
the whole column, and leaves to `phonenumbers` what its table does not decide.
"""

from dataclasses import dataclass

import numpy as np
import phonenumbers
from numpy.typing import NDArray
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from dialnexa_pipeline.phones.digits import MOST_DIGITS, Digits
from dialnexa_pipeline.phones.plans import UNDECIDED_PLAN, Plans
from dialnexa_pipeline.phones.prefixes import UNDECIDED
from dialnexa_pipeline.phones.regions import Regions, Rules

_Rows = NDArray[np.int64]
_LONGEST_CALLING_CODE = 3
# A plan takes about as long to compile as so many numbers to parse one by one.
_WORTH_A_PLAN = 300


@dataclass(slots=True)
class Reading:
    """What was read, one row a number.

    Attributes:
        plan: index into `Plans.judgements`; `UNDECIDED_PLAN` where `phonenumbers` must decide.
        key: digits of the E.164 form (int64); of no meaning where undecided.
    """

    plan: NDArray[np.int32]
    key: NDArray[np.int64]


class Reader:
    """Reads columns of digits; regions and plans are compiled when they are first met."""

    def __init__(self) -> None:
        self.plans = Plans()
        self.regions = Regions()
        self._codes = _calling_codes()
        self._met = np.zeros(1000, np.int64)

    def compile_everything(self) -> None:
        """Compile all regions and plans now, in some seconds, rather than when they are met."""
        for code in COUNTRY_CODE_TO_REGION_CODE:
            self.plans.start(code)
            self.regions.main_number(code)
        for region in phonenumbers.SUPPORTED_REGIONS:
            self.regions.number(region)
        self._met += _WORTH_A_PLAN

    def read(self, digits: Digits, has_plus: NDArray[np.bool_], regions: _Rows) -> Reading:
        """Read numbers.

        Args:
            regions: a row of `Regions.rules` for each number without a plus; less than 0 leaves
                it undecided.
        """
        count = len(digits.lengths)
        result = Reading(np.full(count, UNDECIDED_PLAN, np.int32), np.zeros(count, np.int64))
        if count == 0:
            return result
        international = np.flatnonzero(has_plus)
        self._read_international(digits.take(international), international, result)
        national = np.flatnonzero(~has_plus & (regions >= 0))
        self._read_national(digits.take(national), regions.take(national), national, result)
        return result

    def _read_international(self, digits: Digits, rows: _Rows, result: Reading) -> None:
        """Numbers that begin with a calling code."""
        if rows.size == 0:
            return
        codes = self._calling_codes_of(digits)
        self._met += np.bincount(codes, minlength=1000)
        for code in np.unique(codes).tolist():
            main = None
            if code and self._met[code] >= _WORTH_A_PLAN:
                main = self.regions.main_number(code)
            if main is None:
                continue
            picked = np.flatnonzero(codes == code)
            national = digits.take(picked).drop(len(str(code)))
            regions = np.full(picked.size, main, np.int64)
            self._read_plan(national, regions, rows.take(picked), result, self.regions.rules())

    def _read_national(self, digits: Digits, regions: _Rows, rows: _Rows, result: Reading) -> None:
        """Numbers as they are written in their region."""
        if rows.size == 0:
            return
        rules = self.regions.rules()
        idd = self.regions.prefixes.run_until_decided(rules.idd.take(regions), digits.columns)
        self._read_after_idd(digits, idd, rows, result)
        left = np.flatnonzero(idd == 0)
        digits, regions, rows = digits.take(left), regions.take(left), rows.take(left)
        with_code = self._has_own_calling_code(digits, rules.calling_code.take(regions))
        is_national = np.ones(rows.size, np.bool_)
        for length in range(1, _LONGEST_CALLING_CODE + 1):
            picked = np.flatnonzero(with_code == length)
            if picked.size:
                dropped = self._read_own_calling_code(
                    digits.take(picked), length, regions.take(picked), rows.take(picked), result
                )
                is_national[picked[dropped]] = False
        plain = np.flatnonzero(is_national)
        self._read_plan(digits.take(plain), regions.take(plain), rows.take(plain), result, rules)

    def _read_after_idd(
        self, digits: Digits, idd: NDArray[np.int32], rows: _Rows, result: Reading
    ) -> None:
        for length in np.unique(idd).tolist():
            if length in (0, UNDECIDED):
                continue
            picked = np.flatnonzero((idd == length) & (digits.lengths >= length + 3))
            rest = digits.take(picked).drop(length)
            # A calling code never begins with 0, so this was no international prefix.
            sure = np.flatnonzero(rest.columns[0] != 0) if picked.size else picked
            self._read_international(rest.take(sure), rows.take(picked).take(sure), result)

    def _read_own_calling_code(
        self, digits: Digits, length: int, regions: _Rows, rows: _Rows, result: Reading
    ) -> NDArray[np.bool_]:
        """Numbers that begin with their region's calling code: which of them really do."""
        rules = self.regions.rules()
        rest = digits.drop(length)
        strips, undecided = self._prefix_lengths(rest, regions, rules)
        whole = self.regions.general.run(rules.general.take(regions), digits.columns) == 1
        remains = np.zeros(rows.size, np.bool_)
        for strip in np.unique(strips).tolist():
            picked = np.flatnonzero(strips == strip)
            remains[picked] = self._is_general(
                rest.take(picked).drop(strip), regions[picked], rules
            )
        too_long = rules.too_long[regions, digits.lengths]
        dropped = (~whole & remains) | too_long
        for strip in np.unique(strips).tolist():
            picked = np.flatnonzero(dropped & ~undecided & (strips == strip))
            self._read_plan(
                rest.take(picked).drop(strip),
                rules.main.take(regions.take(picked)).astype(np.int64),
                rows.take(picked),
                result,
                rules,
            )
        return dropped | undecided

    def _read_plan(
        self, digits: Digits, regions: _Rows, rows: _Rows, result: Reading, rules: Rules
    ) -> None:
        """National numbers of regions, perhaps behind a national prefix."""
        strips, undecided = self._prefix_lengths(digits, regions, rules)
        left = digits.lengths - strips
        strips = np.where(rules.strips_to[regions, left], strips, 0)
        for strip in np.unique(strips).tolist():
            picked = np.flatnonzero((strips == strip) & ~undecided)
            national = digits.take(picked).drop(strip)
            codes = rules.calling_code.take(regions.take(picked))
            self._judge(national, codes, rows.take(picked), result)

    def _judge(
        self, national: Digits, codes: NDArray[np.int64], rows: _Rows, result: Reading
    ) -> None:
        starts = np.full(1000, self.plans.undecided, np.int32)
        for code in np.unique(codes).tolist():
            starts[code] = self.plans.start(code)
        result.plan[rows] = self.plans.machine.run(starts.take(codes), national.columns)
        result.key[rows] = national.values(codes)
        widths = 1 + (codes >= 10) + (codes >= 100)
        result.plan[rows[widths + national.lengths > MOST_DIGITS]] = UNDECIDED_PLAN

    def _prefix_lengths(
        self, digits: Digits, regions: _Rows, rules: Rules
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """How many digits the national prefix takes, and where that is undecided.

        A prefix stays when the whole number looks like one of the region and the rest does not.
        """
        found = self.regions.prefixes.run_until_decided(rules.prefix.take(regions), digits.columns)
        undecided = found == UNDECIDED
        strips = np.where(undecided, 0, found).astype(np.int64)
        for strip in np.unique(strips[strips > 0]).tolist():
            picked = np.flatnonzero(strips == strip)
            numbers, of = digits.take(picked), regions.take(picked)
            whole = self._is_general(numbers, of, rules)
            rest = self._is_general(numbers.drop(strip), of, rules)
            strips[picked[whole & ~rest]] = 0
        return strips, undecided

    def _is_general(self, digits: Digits, regions: _Rows, rules: Rules) -> NDArray[np.bool_]:
        return self.regions.general.run(rules.general.take(regions), digits.columns) == 1

    def _calling_codes_of(self, digits: Digits) -> NDArray[np.int64]:
        first, second, third = (column.astype(np.int64) for column in digits.columns[:3])
        return self._codes.take(first * 100 + second * 10 + third)

    def _has_own_calling_code(self, digits: Digits, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The length of the region's calling code where a number begins with it, else 0."""
        first, second, third = (column.astype(np.int64) for column in digits.columns[:3])
        begins = np.where(codes < 10, first, np.where(codes < 100, first * 10 + second, 0))
        begins = np.where(codes >= 100, first * 100 + second * 10 + third, begins)
        return np.where(begins == codes, 1 + (codes >= 10) + (codes >= 100), 0)


def _calling_codes() -> NDArray[np.int64]:
    """First three digits of an international number → its calling code, 0 for none."""
    found = np.zeros(1000, np.int64)
    for code in COUNTRY_CODE_TO_REGION_CODE:
        span = 10 ** (_LONGEST_CALLING_CODE - len(str(code)))
        found[code * span : (code + 1) * span] = code
    return found
