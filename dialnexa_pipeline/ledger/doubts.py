"""Batches in doubt: settled by what listings of their workflow prove, and never sent again."""

from collections.abc import Mapping
from datetime import timedelta

import sqlalchemy as sa

from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import Batch
from dialnexa_pipeline.ledger.rejections import resolve_enrolled
from dialnexa_pipeline.ledger.tables import batches, claims
from dialnexa_pipeline.ledger.transitions import (
    count_claims,
    enrol_claims,
    finish_batch,
    lock_batch,
    put_batch_in_doubt,
    select_batches,
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

    def put_dead_senders_in_doubt(self) -> list[str]:
        """sending → in_doubt for batches whose lease ran out: their sender is dead."""
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            dead = connection.execute(
                sa.select(batches.c.batch_id)
                .where(batches.c.state == "sending", batches.c.lease_expires_at < now)
                .with_for_update()
            ).scalars()
            found = list(dead)
            for batch_id in found:
                put_batch_in_doubt(
                    connection,
                    lock_batch(connection, batch_id),
                    now,
                    reason="in_doubt/no_answer",
                    detail="The run that was sending this batch ended before DialNexa's answer "
                    "was written down.",
                )
            return found

    def settle_found(self, batch_id: str, found: Mapping[str, str]) -> int:
        """Enrol claims of a batch in doubt that a listing shows; return how many are missing."""
        with self._database.transaction() as connection:
            batch = lock_batch(connection, batch_id)
            if batch.state != "in_doubt":
                return 0
            now = self._database.now(connection)
            enrol_claims(connection, batch_id, dict(found), now)
            missing = count_claims(connection, batch_id, "in_doubt")
            if missing == 0:
                finish_batch(connection, batch, now, state="enrolled", settled_at=now)
            elif found:
                change_id = note_change(connection, now, batch.sync, batch.plan_id, batch_id)
                resolve_enrolled(connection, batch_id, now=now, change_id=change_id)
            return missing

    def note_absence(self, batch_id: str, *, settle: timedelta, confirm: timedelta) -> bool:
        """Write down that a listing lacks rows; True when they may be given up as absent.

        Absence counts only after the settle time, in two listings that agree and lie `confirm`
        apart (docs/design.md, "A batch's life").
        """
        with self._database.transaction() as connection:
            batch = lock_batch(connection, batch_id)
            now = self._database.now(connection)
            if batch.state != "in_doubt" or batch.in_doubt_since is None:
                return False
            if now < batch.in_doubt_since + settle:
                return False
            missing = count_claims(connection, batch_id, "in_doubt")
            if batch.absent_seen_at is None or batch.absent_rows != missing:
                connection.execute(
                    sa.update(batches)
                    .where(batches.c.batch_id == batch_id)
                    .values(absent_seen_at=now, absent_rows=missing)
                )
                return False
            return now >= batch.absent_seen_at + confirm

    def settle_absent(self, batch_id: str) -> int:
        """in_doubt → enrolled or released: rows proved absent are free to be planned again."""
        with self._database.transaction() as connection:
            batch = lock_batch(connection, batch_id)
            if batch.state != "in_doubt":
                return 0
            now = self._database.now(connection)
            released = connection.execute(
                sa.update(claims)
                .where(claims.c.batch_id == batch_id, claims.c.state == "in_doubt")
                .values(
                    state="released",
                    live=False,
                    settled_at=now,
                    reason="planned/not_received",
                    detail="DialNexa never received this row; the next run plans it again.",
                )
            ).rowcount
            enrolled = count_claims(connection, batch_id, "enrolled")
            finish_batch(
                connection,
                batch,
                now,
                state="enrolled" if enrolled else "released",
                settled_at=now,
            )
            return released
