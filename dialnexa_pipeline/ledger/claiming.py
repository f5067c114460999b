"""Claims into the database in bulk, each by the one index that decides who holds a number."""

from itertools import repeat

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import fit_text
from dialnexa_pipeline.ledger.records import Candidates
from dialnexa_pipeline.ledger.tables import claims

_COLUMNS = "claim_no, batch_no, workflow_no, lead_key, raw_phone, phone, live"
_ON_CONFLICT = "ON CONFLICT (phone, workflow_no) WHERE live DO NOTHING"


def insert_claims(
    connection: sa.Connection,
    candidates: Candidates,
    *,
    first_claim_no: int,
    batch_no: int,
    workflow_no: int,
) -> set[int]:
    """Add a claim for each candidate whose number nobody holds; return the places that lost."""
    rows = len(candidates.phones)
    if connection.dialect.name == "postgresql":
        added = _insert_into_postgresql(
            connection, candidates, first_claim_no, batch_no, workflow_no
        )
    else:
        added = connection.exec_driver_sql(
            f"INSERT INTO claims ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 1) {_ON_CONFLICT}",
            list(
                zip(
                    range(first_claim_no, first_claim_no + rows),
                    repeat(batch_no),
                    repeat(workflow_no),
                    candidates.lead_keys,
                    candidates.raw_phones,
                    candidates.phones,
                    strict=False,
                )
            ),
        ).rowcount
    if added == rows:
        return set()
    won = connection.execute(
        sa.select(claims.c.claim_no).where(
            claims.c.claim_no.between(first_claim_no, first_claim_no + rows - 1)
        )
    )
    lost = set(range(first_claim_no, first_claim_no + rows)).difference(won.scalars())
    return {candidates.first_seq + number - first_claim_no for number in lost}


def _insert_into_postgresql(
    connection: sa.Connection,
    candidates: Candidates,
    first_claim_no: int,
    batch_no: int,
    workflow_no: int,
) -> int:
    return connection.exec_driver_sql(
        f"INSERT INTO claims ({_COLUMNS}) SELECT %s + place - 1, %s, %s, lead_key, raw_phone, "
        "phone, true FROM unnest(%s::text[], %s::text[], %s::bigint[]) "
        # One order for everybody: two planners that meet must not wait for each other.
        f"WITH ORDINALITY AS asked (lead_key, raw_phone, phone, place) ORDER BY phone "
        f"{_ON_CONFLICT}",
        (
            first_claim_no,
            batch_no,
            workflow_no,
            list(fit_text(candidates.lead_keys)),
            list(fit_text(candidates.raw_phones)),
            list(candidates.phones),
        ),
    ).rowcount
