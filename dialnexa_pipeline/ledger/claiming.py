"""Claims into the database in bulk, each by the one index that decides who holds a number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import plain_rows
from dialnexa_pipeline.ledger.columnar import Relation, columns_relation
from dialnexa_pipeline.ledger.live_claims import key_hashes
from dialnexa_pipeline.ledger.numbering import claim_number, places_of
from dialnexa_pipeline.ledger.packs import PACKED, add_packs
from dialnexa_pipeline.ledger.records import Candidates
from dialnexa_pipeline.ledger.tables import LAST_PLACE

_NOBODY = np.array([], np.int64)


@dataclass(frozen=True, slots=True)
class NumberedCandidates:
    """Candidates of a batch, and the numbers that their claims bear."""

    candidates: Candidates
    batch_no: int
    workflow_no: int

    @property
    def claim_nos(self) -> npt.NDArray[np.int64]:
        first = claim_number(self.batch_no, self.candidates.first_seq)
        return np.arange(first, first + len(self.candidates.phones))


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of candidates: places in the plan that lost, and how many of a batch won."""

    lost: set[int]
    won: Sequence[tuple[int, int]]


def insert_claims(connection: sa.Connection, asked: Sequence[NumberedCandidates]) -> Claimed:
    """Add a claim for each candidate whose number nobody holds.

    Returns:
        Also a pair of batch number and claims for each of `asked`.
    """
    asked = [each for each in asked if len(each.candidates.phones)]
    if not asked:
        return Claimed(set(), [])
    columns = _columns(asked)
    relation = columns_relation(connection.dialect.name, columns)
    names = ", ".join(columns)
    # One order for everybody: two planners that meet in PostgreSQL must not wait for each other.
    # SQLite would sort what is sorted, and reads the relation in its order anyway.
    by_place = f"ORDER BY phone, workflow_no, claim_no & {LAST_PLACE}"
    order = "" if connection.dialect.name == "sqlite" else by_place
    added = connection.execute(
        sa.text(
            f"INSERT INTO live_claims ({names}) SELECT {names} FROM {relation.sql} AS asked "
            f"WHERE true {order} ON CONFLICT (phone, workflow_no) DO NOTHING"
        ),
        relation.parameters,
    ).rowcount
    lost = _lost(connection, relation) if added < len(columns["claim_no"]) else _NOBODY
    packed = [_won(each, lost) for each in asked]
    if any(each.num_rows for each in packed):
        add_packs(connection, [each for each in packed if each.num_rows])
    return Claimed(
        set(places_of(lost).tolist()),
        [(each.batch_no, claims.num_rows) for each, claims in zip(asked, packed, strict=True)],
    )


def _columns(asked: Sequence[NumberedCandidates]) -> dict[str, pa.Array]:
    """What the candidates would hold, in the order of phone and place.

    Of two equal numbers the first place wins, and each page of the index is changed once.
    """
    sizes = [len(each.candidates.phones) for each in asked]
    claim_nos = np.concatenate([each.claim_nos for each in asked])
    phones = np.concatenate([each.candidates.phones.to_numpy() for each in asked])
    hashes = np.concatenate([_hashes(each.candidates) for each in asked])
    columns = {
        "phone": phones,
        "workflow_no": np.repeat([each.workflow_no for each in asked], sizes),
        "claim_no": claim_nos,
        "key_hash": hashes,
    }
    order = np.lexsort((places_of(claim_nos), phones))
    return {name: pa.array(column[order]) for name, column in columns.items()}


def _hashes(candidates: Candidates) -> npt.NDArray[np.int64]:
    if candidates.key_hashes is None:
        return key_hashes(candidates.lead_keys)
    return candidates.key_hashes.to_numpy()


def _lost(connection: sa.Connection, asked: Relation) -> npt.NDArray[np.int64]:
    """Numbers of claims that were asked for and hold nothing.

    Who was faster may have given the number up since, so nobody asks who that was.
    """
    lost = connection.execute(
        sa.text(
            f"SELECT asked.claim_no FROM {asked.sql} AS asked "
            # PostgreSQL would hash all of `live_claims` for a NOT EXISTS.
            "WHERE COALESCE((SELECT live_claims.claim_no FROM live_claims "
            "WHERE live_claims.phone = asked.phone "
            "AND live_claims.workflow_no = asked.workflow_no), -1) <> asked.claim_no"
        ),
        asked.parameters,
    )
    return np.sort(np.array([number for (number,) in plain_rows(lost)], np.int64))


def _won(asked: NumberedCandidates, lost: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """The claims that candidates of a batch got, to be packed.

    Args:
        lost: numbers of claims of any batch, in their order.
    """
    claim_nos = asked.claim_nos
    of_batch = asked.candidates
    claims = pa.record_batch(
        [pa.array(claim_nos), of_batch.lead_keys, of_batch.raw_phones, of_batch.phones],
        schema=PACKED,
    )
    first, last = np.searchsorted(lost, (claim_nos[0], claim_nos[-1] + 1))
    if first == last:
        return claims
    has_won = np.ones(len(claim_nos), np.bool_)
    has_won[lost[first:last] - claim_nos[0]] = False
    return claims.filter(pa.array(has_won))
