"""Numbers behind the ids: integers keep a claim narrow, and a claim's number names its place."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import rows_parameter, rows_relation
from dialnexa_pipeline.ledger.tables import LAST_PLACE, PLACE_BITS, batches, claims

# The place in its plan that a claim's number names, for the database to reckon.
PLACE = claims.c.claim_no.bitwise_and(sa.literal_column(str(LAST_PLACE)))
_HALF_BITS = 12
_SHORT = pa.array([f"{number:x}" for number in range(1 << _HALF_BITS)])
_PADDED = pa.array([f"{number:03x}" for number in range(1 << _HALF_BITS)])


def claim_number(batch_no: int, seq: int) -> int:
    """The primary key of a batch's claim at a place of the plan.

    Claims of a batch lie side by side in the order of its file, so no index by batch is needed.
    """
    return (batch_no << PLACE_BITS) | seq


def numbers_of_batch(batch_no: int) -> tuple[int, int]:
    """The first and the last number that a claim of a batch can have."""
    return claim_number(batch_no, 0), claim_number(batch_no, LAST_PLACE)


def of_batch(
    batch_no: int, claim_no: sa.ColumnElement[int] = claims.c.claim_no
) -> sa.ColumnElement[bool]:
    """Claims of a batch, by their numbers.

    PostgreSQL knows how few they are; by a join with the batch it might read all claims.
    """
    return claim_no.between(*numbers_of_batch(batch_no))


# As `of_batch`, for a statement that is built once: `range_of_batch` are its parameters.
OF_BATCH = claims.c.claim_no.between(sa.bindparam("first"), sa.bindparam("last"))


def range_of_batch(batch_no: int) -> dict[str, int]:
    """`numbers_of_batch` as parameters of a statement."""
    first, last = numbers_of_batch(batch_no)
    return {"first": first, "last": last}


def batch_number_of(claim_no: int) -> int:
    """The batch that a claim's number names."""
    return claim_no >> PLACE_BITS


def place_of(claim_no: int) -> int:
    """The place in its plan that a claim's number names."""
    return claim_no & LAST_PLACE


def places_of(claim_nos: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The places that many claims' numbers name."""
    return np.array(claim_nos, np.int64) & LAST_PLACE


def enrolment_ref(plan_id: str, seq: int) -> str:
    """The value of the correlation column: what the view `claim_states` shows."""
    return f"{plan_id}-{seq:x}"


def enrolment_refs(plan_id: str, places: npt.NDArray[np.int64]) -> pa.Array:
    """The refs of many places as a string column."""
    return pc.binary_join_element_wise(plan_id, _hexadecimal(places), "-")


def _hexadecimal(numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Each number as `format(number, "x")` spells it; distinct halves are spelled once."""
    upper, place_of_upper = np.unique(numbers >> _HALF_BITS, return_inverse=True)
    lower = pa.array(numbers & ((1 << _HALF_BITS) - 1))
    spelled = [f"{number:x}" if number else "" for number in upper.tolist()]
    before = pa.array(spelled, pa.string())
    return pc.if_else(
        pa.array(numbers < (1 << _HALF_BITS)),
        _SHORT.take(lower),
        pc.binary_join_element_wise(before.take(pa.array(place_of_upper)), _PADDED.take(lower), ""),
    )


def place_in(ref: str) -> int:
    """The place in its plan that an `enrolment_ref` names.

    Raises:
        ValueError: the text is no ref.
    """
    return int(ref.rsplit("-", 1)[1], 16)


def next_batch_numbers(connection: sa.Connection, count: int) -> list[int]:
    """Numbers of batches to be added; SQLite's transactions write one at a time."""
    if connection.dialect.name == "postgresql":
        drawn = sa.text("SELECT nextval('ledger_numbers') FROM generate_series(1, :count)")
        return sorted(map(int, connection.execute(drawn, {"count": count}).scalars()))
    newest = connection.scalar(sa.select(sa.func.max(batches.c.batch_no))) or 0
    return list(range(newest + 1, newest + 1 + count))


def workflow_number(connection: sa.Connection, workflow_id: str) -> int:
    """The number of a workflow, which gets one when it is first claimed in."""
    return workflow_numbers(connection, {workflow_id})[workflow_id]


def workflow_numbers(connection: sa.Connection, workflow_ids: Collection[str]) -> dict[str, int]:
    """The numbers of some workflows."""
    numbers = _known_workflows(connection, workflow_ids)
    if len(numbers) == len(workflow_ids):
        return numbers
    connection.execute(
        sa.text(
            "INSERT INTO workflows (workflow_id) VALUES (:workflow_id) "
            "ON CONFLICT (workflow_id) DO NOTHING"
        ),
        # One order for everybody: two planners must not wait for each other.
        [{"workflow_id": each} for each in sorted(workflow_ids) if each not in numbers],
    )
    return _known_workflows(connection, workflow_ids)


def _known_workflows(connection: sa.Connection, workflow_ids: Collection[str]) -> dict[str, int]:
    asked = rows_relation(connection.dialect.name, {"workflow_id": "text"})
    found = connection.execute(
        sa.text(
            "SELECT workflow_id, workflow_no FROM workflows "
            f"WHERE workflow_id IN (SELECT workflow_id FROM {asked} AS asked)"
        ),
        {"rows": rows_parameter([[each] for each in workflow_ids])},
    )
    return {workflow_id: int(number) for workflow_id, number in found}
