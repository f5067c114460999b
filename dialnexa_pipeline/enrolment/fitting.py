"""Leads whose row no batch file may hold, not even alone: they are refused before planning."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.enrolment.filling import BatchLimits
from dialnexa_pipeline.leads import render_xlsx
from dialnexa_pipeline.ledger import Plan, enrolment_ref

TOO_LARGE = "invalid/too_large"
# What a byte of text, and a cell around it, take at most in a file of either format.
_BYTES_OF_A_BYTE = 5
_BYTES_OF_A_CELL = 120
_LAST_PLACE = (1 << 32) - 1


def refuse_too_large(leads: pa.Table, plan: Plan, limits: BatchLimits) -> pa.Table:
    """Screened leads, of which those that fit into no file are `invalid/too_large`."""
    # Each ref as long as any of the plan, so that no row grows past its size.
    longest_ref = enrolment_ref(plan.plan_id, _LAST_PLACE)
    rows = limits.columns_of(leads, pa.repeat(longest_ref, leads.num_rows))
    room = limits.max_bytes - limits.header_bytes(rows.column_names)
    longest = sum(map(_longest, rows.columns))
    if _BYTES_OF_A_BYTE * longest + _BYTES_OF_A_CELL * rows.num_columns <= room:
        return leads
    undecided = pc.is_null(leads["outcome"]).to_numpy()
    places = np.flatnonzero(undecided)
    rows = rows.take(pa.array(places))
    over = np.flatnonzero(limits.content_of(rows)[1] > room)
    if limits.format != "csv":
        # What counts is the file's own size, and text in it is compressed.
        over = [row for row in over if len(render_xlsx(rows.slice(row, 1))) > limits.max_bytes]
    is_over = np.zeros(leads.num_rows, np.bool_)
    is_over[places[over]] = True
    for name, said in (("outcome", "invalid"), ("reason", TOO_LARGE)):
        column = pc.if_else(pa.array(is_over), pa.scalar(said), leads[name])
        leads = leads.set_column(leads.column_names.index(name), name, column)
    return leads


def _longest(column: pa.ChunkedArray) -> int:
    is_coded = pa.types.is_dictionary(column.type)
    texts = [chunk.dictionary if is_coded else chunk for chunk in column.chunks]
    return max((pc.max(pc.binary_length(each)).as_py() or 0 for each in texts), default=0)
