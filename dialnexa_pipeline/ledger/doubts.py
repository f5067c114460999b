"""Batches in doubt: settled by what listings of their workflow prove, and never sent again."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.live_claims import give_up
from dialnexa_pipeline.ledger.records import Batch, Claim
from dialnexa_pipeline.ledger.rejections import list_unenrolled_claims, resolve_enrolled
from dialnexa_pipeline.ledger.tables import batches, claim_states, claims
from dialnexa_pipeline.ledger.transitions import (
    WITHDRAWN,
    WITHDRAWN_IF_ABSENT,
    count_claims,
    enrol_claims,
    finish_batch,
    lock_batch,
    put_batch_in_doubt,
    select_batches,
    select_claims,
    undecided,
)

_HELD = "in_doubt/held"
_HELD_DETAIL = (
    "Two listings of the workflow lack this row, and the sync says in_doubt: hold, so a person "
    "decides: `dialnexa reconcile --release` lets the next run plan it again."
)
_NO_ANSWER = "in_doubt/no_answer"
_SHOWN_AFTER_ALL = (
    "A later listing showed rows that two listings had lacked, so the others are in doubt again."
)


class Doubts:
    """Transitions into and out of doubt that no sender makes, each one transaction."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def batches(self, *, sync: str | None = None) -> list[Batch]:
        """Batches whose answer is unknown, of one sync or of all."""
        conditions = [batches.c.state == "in_doubt"]
        if sync is not None:
            conditions.append(batches.c.sync == sync)
        return select_batches(self._database, *conditions)

    def clock(self) -> datetime:
        """The ledger's clock: read it before a listing, so that the listing is not held younger."""
        with self._database.transaction() as connection:
            return self._database.now(connection)

    def claims_of(self, batch_id: str) -> list[Claim]:
        """The claims of a batch that are in doubt."""
        return select_claims(self._database, batch_id, claim_states.c.state == "in_doubt")

    def due(self, *, sync: str | None = None, settle: timedelta, confirm: timedelta) -> list[str]:
        """Ids of batches that reconciling now can bring forward, oldest first.

        A dead sender's batch and one that no listing has been held against are due at once; what a
        listing lacked is due again after `settle`, and once more after `confirm`. Rows that wait
        for a person are never due.
        """
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            is_dead = sa.and_(batches.c.state == "sending", batches.c.lease_expires_at < now)
            is_held = sa.and_(batches.c.hold_absent, batches.c.absence_proved_at.is_not(None))
            is_doubtful = sa.and_(
                batches.c.state == "in_doubt",
                sa.not_(is_held),
                sa.or_(
                    batches.c.listed_at.is_(None),
                    batches.c.absent_seen_at <= now - confirm,
                    sa.and_(
                        batches.c.absent_seen_at.is_(None),
                        batches.c.in_doubt_since <= now - settle,
                    ),
                ),
            )
            statement = (
                sa.select(batches.c.batch_id)
                .where(sa.or_(is_dead, is_doubtful))
                .order_by(batches.c.batch_no)
            )
            if sync is not None:
                statement = statement.where(batches.c.sync == sync)
            return list(connection.execute(statement).scalars())

    def put_dead_senders_in_doubt(self) -> list[str]:
        """sending → in_doubt for batches whose lease ran out: their sender is dead."""
        return self._put_in_doubt(
            lambda now: batches.c.lease_expires_at < now,
            "The run that was sending this batch ended before DialNexa's answer was written down.",
        )

    def put_senders_of_run_in_doubt(self, run_id: str) -> list[str]:
        """sending → in_doubt for what a run left in the air; only that run itself may ask."""
        return self._put_in_doubt(
            lambda _now: batches.c.sent_by_run == run_id,
            "The run was interrupted before DialNexa's answer was written down.",
        )

    def _put_in_doubt(
        self, which: Callable[[datetime], sa.ColumnElement[bool]], detail: str
    ) -> list[str]:
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            found = list(
                connection.execute(
                    sa.select(batches.c.batch_id)
                    .where(batches.c.state == "sending", which(now))
                    .order_by(batches.c.batch_no)
                    .with_for_update()
                ).scalars()
            )
            for batch_id in found:
                put_batch_in_doubt(
                    connection,
                    lock_batch(connection, batch_id),
                    now,
                    reason=_NO_ANSWER,
                    detail=detail,
                )
            return found

    def settle_found(self, batch_id: str, found: Mapping[str, str]) -> int:
        """Enrol claims of a batch in doubt that a listing shows; return how many are missing."""
        with self._database.transaction() as connection:
            batch = lock_batch(connection, batch_id)
            if batch.state != "in_doubt":
                return 0
            now = self._database.now(connection)
            enrol_claims(connection, batch, found, now)
            missing = count_claims(connection, batch, "in_doubt")
            if missing == 0:
                finish_batch(connection, batch, now, state="enrolled", settled_at=now)
            elif found:
                change_id = note_change(connection, now, batch.sync, batch.plan_id, batch_id)
                resolve_enrolled(connection, batch, now=now, change_id=change_id)
            return missing

    def note_absence(
        self, batch_id: str, *, listing_began: datetime, settle: timedelta, confirm: timedelta
    ) -> bool:
        """Write down that a whole listing lacks rows; True when they may be given up as absent.

        Absence counts only in listings that began after the settle time, and only when two of them
        agree, the second begun `confirm` after the first was held against the batch
        (docs/design.md, "A batch's life"). Rows that a sync wants held wait for a person instead.

        Args:
            listing_began: what `clock` said before the listing was asked for.
        """
        with self._database.transaction() as connection:
            batch = lock_batch(connection, batch_id)
            since = batch.in_doubt_since
            if batch.state != "in_doubt" or since is None or listing_began < since:
                return False
            now = self._database.now(connection)
            missing = count_claims(connection, batch, "in_doubt")
            seen_at, proved_at = batch.absent_seen_at, batch.absence_proved_at
            # Claims only ever leave the doubt, so equal counts are the same rows.
            if seen_at is not None and batch.absent_rows == missing:
                if proved_at is None and listing_began > seen_at + confirm:
                    proved_at = now
            else:
                seen_at = now if listing_began >= since + settle else None
                proved_at = None
            connection.execute(
                sa.update(batches)
                .where(batches.c.batch_id == batch_id)
                .values(
                    listed_at=listing_began,
                    absent_seen_at=seen_at,
                    absent_rows=missing if seen_at is not None else None,
                    absence_proved_at=proved_at,
                )
            )
            proved = proved_at is not None
            if batch.hold_absent and proved != (batch.absence_proved_at is not None):
                _tell_held(connection, batch, now, held=proved)
            return proved and not batch.hold_absent

    def settle_absent(self, batch_id: str) -> int:
        """in_doubt → enrolled or released: rows proved absent are free to be planned again.

        Those that somebody asked to be withdrawn are withdrawn.

        Returns how many are free; none when a listing has shown some of them since they were proved
        absent, because then the two listings do not agree any more.
        """
        with self._database.transaction() as connection:
            batch = lock_batch(connection, batch_id)
            if batch.state != "in_doubt":
                return 0
            missing = count_claims(connection, batch, "in_doubt")
            if batch.absent_rows is not None and batch.absent_rows != missing:
                return 0
            now = self._database.now(connection)
            # These keep their numbers, so that nobody plans them again.
            connection.execute(
                sa.update(claims)
                .where(undecided(batch.batch_no), claims.c.reason == WITHDRAWN_IF_ABSENT)
                .values(state="withdrawn", settled_at=now, reason=WITHDRAWN)
            )
            give_up(connection, batch.batch_no, undecided(batch.batch_no))
            released = connection.execute(
                sa.update(claims)
                .where(undecided(batch.batch_no))
                .values(
                    state="released",
                    settled_at=now,
                    reason="planned/not_received",
                    detail="DialNexa never received this row; the next run plans it again.",
                )
            ).rowcount
            enrolled = count_claims(connection, batch, "enrolled")
            finish_batch(
                connection,
                batch,
                now,
                state="enrolled" if enrolled else "released",
                settled_at=now,
            )
            return released


def _tell_held(connection: sa.Connection, batch: Batch, now: datetime, *, held: bool) -> None:
    """Rows proved absent say that they wait for a person, as long as the proof stands."""
    reason, detail = (_HELD, _HELD_DETAIL) if held else (_NO_ANSWER, _SHOWN_AFTER_ALL)
    connection.execute(
        sa.update(batches)
        .where(batches.c.batch_id == batch.batch_id)
        .values(reason=reason, detail=detail)
    )
    change_id = note_change(connection, now, batch.sync, batch.plan_id, batch.batch_id)
    list_unenrolled_claims(connection, batch, now=now, change_id=change_id)
