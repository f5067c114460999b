"""Refused rows as the ledger takes them."""

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from dialnexa_pipeline.ledger import REFUSED, RefusedRow


def refused_table(rows: Sequence[RefusedRow]) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=REFUSED)
