"""A workflow and a phone as one number, so that a whole column of pairs is compared at once."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_Numbers = npt.NDArray[np.int64]
_LARGEST = np.iinfo(np.int64).max


def numbers_of_pairs(codes: _Numbers, phones: _Numbers) -> _Numbers:
    """A number for each pair of a column, the same for equal pairs only.

    Args:
        codes: small numbers that stand for workflows.
    """
    kinds = int(codes.max(initial=0)) + 1
    if phones.max(initial=0) >= _LARGEST // kinds:
        phones = codes_of(phones)
    return phones * kinds + codes


def codes_of(values: _Numbers) -> _Numbers:
    """Each value's place among the distinct ones, in the order in which they come first."""
    return pa.array(values).dictionary_encode().indices.to_numpy().astype(np.int64)
