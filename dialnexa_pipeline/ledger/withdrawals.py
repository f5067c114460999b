"""Withdrawing numbers: the ledger remembers, so that a number is never planned again."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import (
    numbers_parameter,
    numbers_relation,
    rows_parameter,
    rows_relation,
)
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.live_claims import give_up, let_go, take_number
from dialnexa_pipeline.ledger.numbering import claim_number, place_in
from dialnexa_pipeline.ledger.packs import batch_of_ref, unpack, unpack_leads
from dialnexa_pipeline.ledger.rejections import list_unenrolled_claims
from dialnexa_pipeline.ledger.tables import batches, changes, claim_states, claims, plans
from dialnexa_pipeline.ledger.transitions import (
    WITHDRAWN,
    WITHDRAWN_IF_ABSENT,
    finish_batch,
    lock_batch,
    pick_lead_ids,
    undecided,
)


@dataclass(frozen=True, slots=True)
class StandingClaim:
    """A claim that stands for a number: enrolled, on its way there, or withdrawn.

    Attributes:
        sent_ago: how long ago its batch was sent; None when it was not.
    """

    enrolment_ref: str
    sync: str
    workflow_id: str
    lead_key: str
    phone: int = field(repr=False)
    lead_id: str | None
    state: str
    batch_id: str
    batch_state: str
    ref_column: str | None
    sent_ago: timedelta | None


class Withdrawals:
    """Finding the claims of a person, and ending them for good."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def of_phones(self, phones: Collection[int]) -> list[StandingClaim]:
        """Every standing claim of some numbers, in any sync and workflow."""
        unpack_leads(self._database, phones=phones)
        dialect = self._database.dialect
        return self._standing(
            f"claims.phone IN {numbers_relation(dialect)}",
            numbers=numbers_parameter(dialect, phones),
        )

    def of_leads(self, sync: str, lead_keys: Collection[str]) -> list[StandingClaim]:
        """The standing claims of some leads of a sync."""
        unpack_leads(self._database, lead_keys=lead_keys, sync=sync)
        relation = rows_relation(self._database.dialect, {"lead_key": "text"})
        return self._standing(
            "claims.sync = :sync "
            f"AND claims.lead_key IN (SELECT lead_key FROM {relation} AS asked)",
            sync=sync,
            rows=rows_parameter([[key] for key in lead_keys]),
        )

    def withdraw_enrolled(self, enrolment_ref: str, *, detail: str) -> None:
        """enrolled → withdrawn; the claim stays live, so the number is never planned again.

        Args:
            detail: who withdrew it and why.
        """
        with self._database.transaction() as connection:
            batch_no = batch_of_ref(connection, enrolment_ref)
            if batch_no is None:
                return
            unpack(connection, batch_no)
            number = claim_number(batch_no, place_in(enrolment_ref))
            connection.execute(
                sa.select(claims.c.claim_no).where(claims.c.claim_no == number).with_for_update()
            )
            claim = connection.execute(
                sa.select(claim_states, claims.c.workflow_no)
                .join(claims, claims.c.claim_no == claim_states.c.claim_no)
                .where(claim_states.c.claim_no == number, claim_states.c.state == "enrolled")
            ).first()
            if claim is None:
                return
            if claim.phone is not None:
                # Held anew: who ends it at this moment, past `dedupe`, leaves the new row.
                let_go(connection, batch_no, claims.c.claim_no == number)
                # One past the sync's dedupe duration comes to life again, unless another lives.
                take_number(
                    connection, claim.claim_no, claim.workflow_no, claim.phone, claim.lead_key
                )
            connection.execute(
                sa.update(claims)
                .where(claims.c.claim_no == number)
                .values(state="withdrawn", detail=detail, settled_at=claim.settled_at)
            )
            now = self._database.now(connection)
            note_change(connection, now, claim.sync, claim.plan_id, claim.batch_id)

    def withdraw_unsent(self, enrolment_ref: str, *, detail: str) -> int | None:
        """planned → withdrawn: the claim stays live, and its batch is released, never sent.

        A plan that is still being made is superseded with all its batches, because its planner
        would go on filling them.

        Returns:
            How many other leads wait for the next run now; None when the claim was sent meanwhile.
        """
        with self._database.transaction() as connection:
            batch_no = batch_of_ref(connection, enrolment_ref)
            if batch_no is None:
                return None
            # A refusal may move the claim out of the batch before this has locked it.
            claim = connection.execute(
                sa.select(batches.c.plan_id, batches.c.batch_id).where(
                    batches.c.batch_no == batch_no
                )
            ).one()
            state = connection.scalar(
                sa.select(plans.c.state).where(plans.c.plan_id == claim.plan_id).with_for_update()
            )
            batch = lock_batch(connection, claim.batch_id)
            if batch.state not in {"planned", "failed"}:
                return None
            now = self._database.now(connection)
            unpack(connection, batch_no)
            number = claim_number(batch_no, place_in(enrolment_ref))
            withdrawn = connection.execute(
                sa.update(claims)
                .where(claims.c.claim_no == number, undecided(batch_no))
                .values(state="withdrawn", settled_at=now, reason=WITHDRAWN, detail=detail)
            )
            if withdrawn.rowcount == 0:
                return None
            released = [claim.batch_id]
            if state == "open":
                connection.execute(
                    sa.update(plans)
                    .where(plans.c.plan_id == claim.plan_id)
                    .values(state="superseded")
                )
                released = list(
                    connection.execute(
                        sa.select(batches.c.batch_id)
                        .where(batches.c.plan_id == claim.plan_id)
                        .where(batches.c.state.in_(("planned", "failed")))
                    ).scalars()
                )
            return sum(self._release(connection, batch_id) for batch_id in released)

    def withdraw_if_absent(self, enrolment_ref: str, *, detail: str) -> bool:
        """A claim in doubt: withdrawn, and not planned again, once it is proved absent.

        False when it is in doubt no more.
        """
        with self._database.transaction() as connection:
            batch_no = batch_of_ref(connection, enrolment_ref)
            if batch_no is None:
                return False
            batch_id = connection.scalar(
                sa.select(batches.c.batch_id).where(batches.c.batch_no == batch_no)
            )
            batch = lock_batch(connection, str(batch_id))
            if batch.state != "in_doubt":
                return False
            unpack(connection, batch_no)
            number = claim_number(batch_no, place_in(enrolment_ref))
            asked = connection.execute(
                sa.update(claims)
                .where(claims.c.claim_no == number, undecided(batch_no))
                .values(reason=WITHDRAWN_IF_ABSENT, detail=detail)
            )
            if asked.rowcount:
                now = self._database.now(connection)
                change_id = note_change(connection, now, batch.sync, batch.plan_id, batch.batch_id)
                list_unenrolled_claims(connection, batch, now=now, change_id=change_id)
            return asked.rowcount == 1

    def syncs_behind(self) -> list[str]:
        """Syncs whose record tables do not show all of the ledger's changes."""
        recorded = sa.and_(
            changes.c.enrolments_recorded,
            changes.c.counts_recorded,
            changes.c.rejected_rows_recorded,
        )
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.select(changes.c.sync).where(~recorded).distinct().order_by(changes.c.sync)
            )
            return list(rows.scalars())

    def _release(self, connection: sa.Connection, batch_id: str) -> int:
        now = self._database.now(connection)
        batch = lock_batch(connection, batch_id)
        unpack(connection, batch.batch_no)
        others = give_up(connection, batch.batch_no, undecided(batch.batch_no))
        finish_batch(connection, batch, now, state="released", settled_at=now)
        return others

    def _standing(self, condition: str, **parameters: str) -> list[StandingClaim]:
        statement = sa.text(
            "SELECT claims.enrolment_ref, claims.sync, claims.workflow_id, claims.lead_key, "
            "claims.phone, claims.seq, claims.state, claims.batch_id, claims.batch_no, "
            "batches.state AS batch_state, batches.ref_column, batches.sent_at "
            "FROM claim_states AS claims JOIN batches ON batches.batch_no = claims.batch_no "
            f"WHERE {condition} AND claims.phone IS NOT NULL AND (claims.state = 'enrolled' "
            "OR claims.live AND claims.state IN ('planned', 'in_doubt', 'withdrawn')) "
            "ORDER BY claims.enrolment_ref"
        ).columns(sent_at=batches.c.sent_at.type)
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            rows = connection.execute(statement, parameters).all()
            ids = pick_lead_ids(connection, ((row.batch_no, row.seq) for row in rows))
        return [
            StandingClaim(
                row.enrolment_ref,
                row.sync,
                row.workflow_id,
                row.lead_key,
                row.phone,
                ids.get((row.batch_no, row.seq)),
                row.state,
                row.batch_id,
                row.batch_state,
                row.ref_column,
                now - row.sent_at if row.sent_at is not None else None,
            )
            for row in rows
        ]
