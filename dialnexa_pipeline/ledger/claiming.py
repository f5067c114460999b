"""Claims into the database in bulk, each by the one index that decides who holds a number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import columns_of, number_array, text_array
from dialnexa_pipeline.ledger.numbering import claim_number, place_of
from dialnexa_pipeline.ledger.records import Candidates
from dialnexa_pipeline.ledger.tables import claims

_COLUMNS = "claim_no, batch_no, workflow_no, lead_key, raw_phone, phone, live"
_ON_CONFLICT = "ON CONFLICT (phone, workflow_no) WHERE live DO NOTHING"


@dataclass(frozen=True, slots=True)
class NumberedCandidates:
    """Candidates of a batch, and the numbers that their claims bear."""

    candidates: Candidates
    plan_no: int
    batch_no: int
    workflow_no: int

    @property
    def claim_nos(self) -> range:
        first = claim_number(self.plan_no, self.candidates.first_seq)
        return range(first, first + len(self.candidates.phones))


def insert_claims(connection: sa.Connection, asked: Sequence[NumberedCandidates]) -> set[int]:
    """Add a claim for each candidate whose number nobody holds; return the places that lost."""
    wanted = sum(len(each.claim_nos) for each in asked)
    if not wanted:
        return set()
    if connection.dialect.name == "postgresql":
        added = _insert_into_postgresql(connection, asked)
    else:
        added = connection.exec_driver_sql(
            f"INSERT INTO claims ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 1) {_ON_CONFLICT}",
            list(chain.from_iterable(map(_rows, asked))),
        ).rowcount
    if added == wanted:
        return set()
    numbers = [each.claim_nos for each in asked if each.claim_nos]
    of_these = claims.c.claim_no.between(
        min(each[0] for each in numbers), max(each[-1] for each in numbers)
    )
    (won,) = columns_of(connection, sa.select(claims.c.claim_no).where(of_these))
    return set(map(place_of, set(chain.from_iterable(numbers)).difference(won)))


def _rows(each: NumberedCandidates) -> Iterator[tuple[object, ...]]:
    return zip(
        each.claim_nos,
        repeat(each.batch_no),
        repeat(each.workflow_no),
        each.candidates.lead_keys,
        each.candidates.raw_phones,
        each.candidates.phones,
        strict=False,
    )


def _insert_into_postgresql(connection: sa.Connection, asked: Sequence[NumberedCandidates]) -> int:
    claim_nos: list[int] = []
    batch_nos: list[int] = []
    workflow_nos: list[int] = []
    keys: list[str] = []
    raw: list[str] = []
    phones: list[int] = []
    for each in asked:
        claim_nos += each.claim_nos
        batch_nos += repeat(each.batch_no, len(each.claim_nos))
        workflow_nos += repeat(each.workflow_no, len(each.claim_nos))
        keys += each.candidates.lead_keys
        raw += each.candidates.raw_phones
        phones += each.candidates.phones
    return connection.exec_driver_sql(
        f"INSERT INTO claims ({_COLUMNS}) SELECT asked.*, true FROM unnest(%s::bigint[], "
        "%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[]) "
        "AS asked (claim_no, batch_no, workflow_no, lead_key, raw_phone, phone) "
        # One order for everybody: two planners that meet must not wait for each other. Of a number
        # that is asked for twice the first place gets it.
        f"ORDER BY workflow_no, phone, claim_no {_ON_CONFLICT}",
        (
            *map(number_array, (claim_nos, batch_nos, workflow_nos)),
            *map(text_array, (keys, raw)),
            number_array(phones),
        ),
    ).rowcount
