"""Claims into the database in bulk, each by the one index that decides who holds a number."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from dialnexa_pipeline.ledger.bulk import binary_rows, plain_rows
from dialnexa_pipeline.ledger.columnar import Relation, columns_relation
from dialnexa_pipeline.ledger.live_claims import key_hashes
from dialnexa_pipeline.ledger.numbering import claim_number, places_of
from dialnexa_pipeline.ledger.packs import PACKED, Pack, add_packs
from dialnexa_pipeline.ledger.records import Candidates
from dialnexa_pipeline.ledger.tables import LAST_PLACE
from dialnexa_pipeline.postgresql_copy import copy_from, is_unique_violation

_NAMES = ("phone", "workflow_no", "claim_no", "key_hash")
_NOBODY = np.array([], np.int64)


@dataclass(frozen=True, slots=True)
class NumberedCandidates:
    """Candidates of a batch, and the numbers that their claims bear."""

    candidates: Candidates
    batch_no: int
    workflow_no: int

    def __len__(self) -> int:
        return len(self.candidates.phones)

    @property
    def claim_nos(self) -> npt.NDArray[np.int64]:
        first = claim_number(self.batch_no, self.candidates.first_seq)
        return np.arange(first, first + len(self))


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of candidates: places in the plan that lost, and how many of a batch won."""

    lost: set[int]
    won: Sequence[tuple[int, int]]


def insert_claims(
    connection: sa.Connection,
    asked: Sequence[NumberedCandidates],
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> Claimed:
    """Add a claim for each candidate whose number nobody holds.

    Args:
        meanwhile: what the transaction writes before the claims, while another thread makes them
            ready.

    Returns:
        Also a pair of batch number and claims for each of `asked`.
    """
    asked = [each for each in asked if len(each)]
    if not asked:
        meanwhile()
        return Claimed(set(), [])
    with ThreadPoolExecutor(1, thread_name_prefix="claims") as thread:
        rows = thread.submit(_Rows.of, connection.dialect, asked)
        # Nobody loses but to another run, so these are nearly always what is written.
        packs = thread.submit(_packs, asked)
        meanwhile()
        lost = _insert(connection, rows.result())
        won = [_won(each, pack, lost) for each, pack in zip(asked, packs.result(), strict=True)]
    if any(pack for _, pack in won):
        add_packs(connection, [pack for _, pack in won if pack is not None])
    return Claimed(
        set(places_of(lost).tolist()),
        [(each.batch_no, claims) for each, (claims, _) in zip(asked, won, strict=True)],
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """What candidates would hold, in the order of phone and place.

    Of two equal numbers the first place wins, and each page of the index is changed once.

    Attributes:
        columns: those of `live_claims`.
        content: for a COPY; None where there is none.
        relation: for an INSERT; None as long as there is content, and nobody asked for it.
    """

    dialect: str
    columns: Mapping[str, npt.NDArray[np.int64]] = field(repr=False)
    content: bytes | None = field(repr=False)
    relation: Relation | None = field(repr=False)

    @classmethod
    def of(cls, dialect: sa.Dialect, asked: Sequence[NumberedCandidates]) -> "_Rows":
        claim_nos = np.concatenate([each.claim_nos for each in asked])
        phones = np.concatenate([each.candidates.phones.to_numpy() for each in asked])
        workflow_nos = np.repeat([each.workflow_no for each in asked], list(map(len, asked)))
        hashes = np.concatenate([_hashes(each.candidates) for each in asked])
        order = np.lexsort((places_of(claim_nos), phones))
        named = zip(_NAMES, (phones, workflow_nos, claim_nos, hashes), strict=True)
        columns = {name: column[order] for name, column in named}
        if dialect.driver == "psycopg":
            return cls(dialect.name, columns, binary_rows(list(columns.values())), None)
        return cls(dialect.name, columns, None, _relation(dialect.name, columns))

    def __len__(self) -> int:
        return len(self.columns["phone"])


def _relation(dialect: str, columns: Mapping[str, npt.NDArray[np.int64]]) -> Relation:
    return columns_relation(dialect, {name: pa.array(each) for name, each in columns.items()})


def _insert(connection: sa.Connection, asked: _Rows) -> npt.NDArray[np.int64]:
    """Take the numbers that are free; numbers of claims that lost, in their order."""
    names = ", ".join(_NAMES)
    if asked.content is not None:
        # Nobody loses but to another run, and a COPY costs much less.
        try:
            with connection.begin_nested():
                copy_from(
                    connection,
                    f"COPY live_claims ({names}) FROM STDIN (FORMAT binary)",
                    asked.content,
                )
            return _NOBODY
        except DBAPIError as error:
            if not is_unique_violation(connection, error):
                raise
    relation = asked.relation or _relation(asked.dialect, asked.columns)
    # One order for everybody: two planners that meet in PostgreSQL must not wait for each other.
    # SQLite would sort what is sorted, and reads the relation in its order anyway.
    by_place = f"ORDER BY phone, workflow_no, claim_no & {LAST_PLACE}"
    order = "" if asked.dialect == "sqlite" else by_place
    added = connection.execute(
        sa.text(
            f"INSERT INTO live_claims ({names}) SELECT {names} FROM {relation.sql} AS asked "
            f"WHERE true {order} ON CONFLICT (phone, workflow_no) DO NOTHING"
        ),
        relation.parameters,
    ).rowcount
    return _lost(connection, relation) if added < len(asked) else _NOBODY


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


def _packs(asked: Sequence[NumberedCandidates]) -> list[Pack]:
    return [Pack.of(_claims(each)) for each in asked]


def _won(
    asked: NumberedCandidates, pack: Pack, lost: npt.NDArray[np.int64]
) -> tuple[int, Pack | None]:
    """How many claims the candidates of a batch got, and a pack of them.

    Args:
        pack: of a claim for each candidate.
        lost: numbers of claims of any batch, in their order.
    """
    first, last = np.searchsorted(lost, (pack.first_claim_no, pack.last_claim_no + 1))
    if first == last:
        return len(asked), pack
    has_won = np.ones(len(asked), np.bool_)
    has_won[lost[first:last] - pack.first_claim_no] = False
    claims = _claims(asked).filter(pa.array(has_won))
    return claims.num_rows, Pack.of(claims) if claims.num_rows else None


def _claims(asked: NumberedCandidates) -> pa.RecordBatch:
    """A claim for each candidate (`PACKED`)."""
    of_batch = asked.candidates
    return pa.record_batch(
        [pa.array(asked.claim_nos), of_batch.lead_keys, of_batch.raw_phones, of_batch.phones],
        schema=PACKED,
    )
