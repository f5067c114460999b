"""What every transition of a batch shares: reading it, enrolling its claims, ending it."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import (
    numbers_parameter,
    numbers_relation,
    rows_parameter,
    rows_relation,
)
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.live_claims import give_up
from dialnexa_pipeline.ledger.numbering import claim_number, of_batch, place_in
from dialnexa_pipeline.ledger.packs import unpack
from dialnexa_pipeline.ledger.records import Batch, Claim
from dialnexa_pipeline.ledger.rejections import list_unenrolled_claims, resolve_enrolled
from dialnexa_pipeline.ledger.tables import batches, claim_states, claims, lead_ids

_BATCH_COLUMNS = [batches.c[name] for name in Batch.__dataclass_fields__]
_BATCH = (
    sa.select(*_BATCH_COLUMNS)
    .where(batches.c.batch_id == sa.bindparam("of_batch"))
    .with_for_update()
)
_CHANGE_BATCH = sa.update(batches).where(batches.c.batch_id == sa.bindparam("of_batch"))
_LEAD_IDS = (
    sa.select(lead_ids.c.ids)
    .where(lead_ids.c.batch_no == sa.bindparam("of_batch_no"))
    .order_by(lead_ids.c.answer_no)
)
_CLAIM_COLUMNS = [claim_states.c[name] for name in Claim.__dataclass_fields__]


def lock_batch(connection: sa.Connection, batch_id: str) -> Batch:
    """One batch, locked until the transaction ends."""
    return Batch(*connection.execute(_BATCH, {"of_batch": batch_id}).one())


def select_batches(database: LedgerDatabase, *conditions: sa.ColumnElement[bool]) -> list[Batch]:
    """Batches in the order they were made."""
    statement = sa.select(*_BATCH_COLUMNS).where(*conditions).order_by(batches.c.batch_no)
    with database.transaction() as connection:
        return [Batch(*row) for row in connection.execute(statement)]


def select_claims(
    database: LedgerDatabase, batch_id: str, *conditions: sa.ColumnElement[bool]
) -> list[Claim]:
    """Claims of a batch, in file order; they are rows from now on."""
    number = sa.select(batches.c.batch_no).where(batches.c.batch_id == batch_id)
    with database.transaction() as connection:
        batch_no = connection.execute(number).scalar_one()
        unpack(connection, batch_no)
        statement = (
            sa.select(*_CLAIM_COLUMNS)
            .where(of_batch(batch_no, claim_states.c.claim_no), *conditions)
            .order_by(claim_states.c.claim_no)
        )
        return [Claim(*row) for row in connection.execute(statement)]


def count_claims(connection: sa.Connection, batch: Batch, state: str) -> int:
    """How many claims of a batch are in a state; they are rows from now on."""
    unpack(connection, batch.batch_no)
    statement = (
        sa.select(sa.func.count())
        .select_from(claim_states)
        .where(of_batch(batch.batch_no, claim_states.c.claim_no), claim_states.c.state == state)
    )
    return int(connection.scalar(statement) or 0)


# Of a claim that somebody withdrew, and of one in doubt that somebody wants withdrawn.
WITHDRAWN = "suppressed/withdrawn"
WITHDRAWN_IF_ABSENT = "in_doubt/withdrawn_if_absent"


def undecided(batch_no: int) -> sa.ColumnElement[bool]:
    """Claims of an unpacked batch that say nothing themselves: they become what it becomes."""
    return sa.and_(of_batch(batch_no), claims.c.state.is_(None))


def keep_lead_ids(connection: sa.Connection, batch: Batch, ids: Mapping[str, str | None]) -> None:
    """Add what an answer or a listing called the leads of a batch: ref → lead id."""
    known = {place_in(ref): ids[ref] for ref in _own(batch, ids) if ids[ref] is not None}
    if known:
        text = json.dumps(known, ensure_ascii=False, separators=(",", ":"))
        text = text.replace("\\u0000", "\ufffd")
        connection.execute(sa.insert(lead_ids).values(batch_no=batch.batch_no, ids=text))


def lead_ids_of(connection: sa.Connection, batch_no: int) -> dict[int, str]:
    """Place in the plan → lead id of a batch; a later answer overrules an earlier one."""
    found: dict[int, str] = {}
    for ids in connection.execute(_LEAD_IDS, {"of_batch_no": batch_no}).scalars():
        found.update((int(place), lead_id) for place, lead_id in json.loads(ids).items())
    return found


def pick_lead_ids(
    connection: sa.Connection, wanted: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], str]:
    """(batch number, place) → lead id of some claims; one batch at a time is in memory."""
    places: dict[int, list[int]] = {}
    for batch_no, place in wanted:
        places.setdefault(batch_no, []).append(place)
    picked: dict[tuple[int, int], str] = {}
    for batch_no, asked in places.items():
        ids = lead_ids_of(connection, batch_no)
        picked.update(((batch_no, place), ids[place]) for place in asked if place in ids)
    return picked


def enrol_claims(
    connection: sa.Connection, batch: Batch, ids: Mapping[str, str | None], now: datetime
) -> None:
    """Undecided claims of the batch that are named by ref are enrolled, before the others are."""
    if not ids:
        return
    unpack(connection, batch.batch_no)
    dialect = connection.dialect.name
    connection.execute(
        sa.text(
            "UPDATE claims SET state = 'enrolled', settled_at = :now, reason = NULL, detail = NULL "
            f"WHERE claims.claim_no IN {numbers_relation(dialect)} AND claims.state IS NULL"
        ).bindparams(sa.bindparam("now", type_=claims.c.settled_at.type)),
        {
            "now": now,
            "numbers": numbers_parameter(dialect, claim_numbers(batch, ids)),
        },
    )
    keep_lead_ids(connection, batch, ids)


def reject_claims(
    connection: sa.Connection,
    batch: Batch,
    rejected: Mapping[str, tuple[str, str | None]],
    now: datetime,
) -> None:
    """Undecided claims of the batch named by ref are rejected with their reason and detail."""
    dialect = connection.dialect.name
    relation = rows_relation(dialect, {"claim_no": "int", "reason": "text", "detail": "text"})
    own = _own(batch, rejected)
    numbers = claim_numbers(batch, own)
    unpack(connection, batch.batch_no)
    give_up(connection, batch.batch_no, undecided(batch.batch_no), are_numbered(dialect, numbers))
    connection.execute(
        sa.text(
            "UPDATE claims SET state = 'rejected', settled_at = :now, "
            "reason = asked.reason, detail = asked.detail "
            f"FROM {relation} AS asked WHERE claims.claim_no = asked.claim_no "
            "AND claims.state IS NULL"
        ).bindparams(sa.bindparam("now", type_=claims.c.settled_at.type)),
        {
            "now": now,
            "rows": rows_parameter(
                [(number, *rejected[ref]) for number, ref in zip(numbers, own, strict=True)]
            ),
        },
    )


def put_batch_in_doubt(
    connection: sa.Connection, batch: Batch, now: datetime, *, reason: str, detail: str
) -> None:
    """The batch is in doubt, and so are its claims that are not proved enrolled."""
    finish_batch(
        connection,
        batch,
        now,
        state="in_doubt",
        in_doubt_since=now,
        reason=reason,
        detail=detail,
    )


def finish_batch(connection: sa.Connection, batch: Batch, now: datetime, **values: object) -> None:
    """End of a transition: new state, no lease, and the change for the record tables."""
    ended = {"lease_owner": None, "lease_expires_at": None, **values}
    connection.execute(_CHANGE_BATCH, {"of_batch": batch.batch_id, **ended})
    change_id = note_change(connection, now, batch.sync, batch.plan_id, batch.batch_id)
    if values["state"] != "planned":
        list_unenrolled_claims(connection, batch, now=now, change_id=change_id)
    resolve_enrolled(connection, batch, now=now, change_id=change_id)


def are_numbered(dialect: str, numbers: Collection[int]) -> sa.TextClause:
    """Claims with one of some numbers."""
    return sa.text(f"claims.claim_no IN {numbers_relation(dialect)}").bindparams(
        numbers=numbers_parameter(dialect, numbers)
    )


def claim_numbers(batch: Batch, refs: Iterable[str]) -> list[int]:
    """Numbers that claims of a batch have if they are named by ref; other plans' are left out."""
    return [claim_number(batch.batch_no, place_in(ref)) for ref in _own(batch, refs)]


def _own(batch: Batch, refs: Iterable[str]) -> list[str]:
    """Refs of the batch's plan: another plan's names a claim with the same place there."""
    prefix = f"{batch.plan_id}-"
    return [ref for ref in refs if ref.startswith(prefix)]
