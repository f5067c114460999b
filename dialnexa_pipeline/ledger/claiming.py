"""Claims into the database in bulk, each by the one index that decides who holds a number."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import numbers_parameter, numbers_relation, plain_rows
from dialnexa_pipeline.ledger.columnar import columns_relation
from dialnexa_pipeline.ledger.numbering import claim_number, place_of, places_of
from dialnexa_pipeline.ledger.records import Candidates
from dialnexa_pipeline.ledger.tables import LAST_PLACE


@dataclass(frozen=True, slots=True)
class NumberedCandidates:
    """Candidates of a batch, and the numbers that their claims bear."""

    candidates: Candidates
    batch_no: int
    workflow_no: int

    @property
    def claim_nos(self) -> range:
        first = claim_number(self.batch_no, self.candidates.first_seq)
        return range(first, first + len(self.candidates.phones))


def insert_claims(connection: sa.Connection, asked: Sequence[NumberedCandidates]) -> set[int]:
    """Add a claim for each candidate whose number nobody holds; return the places that lost."""
    asked = [each for each in asked if each.claim_nos]
    if not asked:
        return set()
    columns = _columns(asked)
    relation = columns_relation(connection.dialect.name, columns)
    names = ", ".join(columns)
    # One order for everybody: two planners that meet in PostgreSQL must not wait for each other.
    # SQLite would sort what is sorted, and reads the relation in its order anyway.
    by_place = f"ORDER BY phone, workflow_no, claim_no & {LAST_PLACE}"
    order = "" if connection.dialect.name == "sqlite" else by_place
    added = connection.execute(
        sa.text(
            f"INSERT INTO claims ({names}, live) SELECT {names}, true FROM {relation.sql} AS asked "
            f"WHERE true {order} ON CONFLICT (phone, workflow_no) WHERE live DO NOTHING"
        ),
        relation.parameters,
    ).rowcount
    return _lost(connection, asked) if added < len(columns["claim_no"]) else set()


def _columns(asked: Sequence[NumberedCandidates]) -> dict[str, pa.Array]:
    """The candidates in the order of phone and place.

    Of two equal numbers the first place wins, and each page of the index is changed once.
    """
    sizes = [len(each.claim_nos) for each in asked]
    of_batches = [each.candidates for each in asked]
    claim_nos = np.concatenate([np.asarray(each.claim_nos) for each in asked])
    phones = pa.concat_arrays([each.phones for each in of_batches])
    columns = {
        "claim_no": pa.array(claim_nos),
        "workflow_no": pa.array(np.repeat([each.workflow_no for each in asked], sizes)),
        "lead_key": pa.concat_arrays([each.lead_keys for each in of_batches]),
        "raw_phone": pa.concat_arrays([each.raw_phones for each in of_batches]),
        "phone": phones,
    }
    order = pa.array(np.lexsort((places_of(claim_nos), phones.to_numpy())))
    return {name: column.take(order) for name, column in columns.items()}


def _lost(connection: sa.Connection, asked: Sequence[NumberedCandidates]) -> set[int]:
    """Places of claims that were asked for and are not there."""
    wanted = chain.from_iterable(each.claim_nos for each in asked)
    dialect = connection.dialect.name
    lost = connection.execute(
        sa.text(
            f"SELECT number FROM {numbers_relation(dialect)} AS asked WHERE NOT EXISTS "
            "(SELECT 1 FROM claims WHERE claims.claim_no = asked.number)"
        ),
        {"numbers": numbers_parameter(dialect, wanted)},
    )
    return {place_of(number) for (number,) in plain_rows(lost)}
