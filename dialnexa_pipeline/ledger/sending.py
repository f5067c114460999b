"""The life of a batch: every transition is a method whose name says it."""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger.approvals import refuse_when_held
from dialnexa_pipeline.ledger.batch_claims import claims_of_batch
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.live_claims import hand_on
from dialnexa_pipeline.ledger.numbering import (
    PLACE,
    claim_number,
    enrolment_refs,
    next_batch_numbers,
    place_of,
    places_of,
)
from dialnexa_pipeline.ledger.packs import unpack
from dialnexa_pipeline.ledger.records import Batch, BatchRows, Claim
from dialnexa_pipeline.ledger.rejections import list_unenrolled_claims
from dialnexa_pipeline.ledger.switches import refuse_when_stopped
from dialnexa_pipeline.ledger.tables import CLAIMS_OF_BATCH, batches, claims, plans
from dialnexa_pipeline.ledger.transitions import (
    are_numbered,
    claim_numbers,
    enrol_claims,
    finish_batch,
    keep_lead_ids,
    lock_batch,
    put_batch_in_doubt,
    reject_claims,
    select_batches,
    select_claims,
    undecided,
)

_SYNC_AND_PLAN = sa.select(batches.c.sync, batches.c.plan_id).where(
    batches.c.batch_id == sa.bindparam("of_batch")
)
_TAKE = (
    sa.update(batches)
    .where(
        batches.c.batch_id == sa.bindparam("of_batch"),
        batches.c.state == "planned",
        batches.c.sha256.is_not(None),
    )
    .values(
        state="sending",
        lease_owner=sa.bindparam("owner"),
        lease_expires_at=sa.bindparam("until"),
        sent_at=sa.bindparam("now"),
        sent_by_run=sa.bindparam("run"),
        attempts=batches.c.attempts + 1,
    )
)
_RENEW = (
    sa.update(batches)
    .where(
        batches.c.batch_id.in_(
            sa.select(batches.c.batch_id)
            .where(batches.c.state == "sending", batches.c.lease_owner == sa.bindparam("owner"))
            # In the order of `put_dead_senders_in_doubt`: neither waits for the other.
            .order_by(batches.c.batch_no)
            .with_for_update()
        )
    )
    .values(lease_expires_at=sa.bindparam("until"))
)
_LEASE = sa.select(sa.literal(1)).where(
    batches.c.batch_id == sa.bindparam("of_batch"),
    batches.c.state == "sending",
    batches.c.lease_owner == sa.bindparam("owner"),
    batches.c.lease_expires_at >= sa.bindparam("until"),
)
_SENDER = (
    sa.select(batches.c.lease_owner)
    .where(batches.c.batch_id == sa.bindparam("of_batch"), batches.c.state == "sending")
    .with_for_update()
)


class LeaseLost(DialNexaError):
    """The batch is not this sender's any more; what it learnt late is settled by reconciling."""


class Batches:
    """Transitions of batches and their claims, each one transaction."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def get(self, batch_id: str) -> Batch:
        with self._database.transaction() as connection:
            return lock_batch(connection, batch_id)

    def sendable(self, plan_id: str) -> list[Batch]:
        """Planned batches of a plan whose files are on disk, in the order they were made."""
        return select_batches(
            self._database,
            batches.c.plan_id == plan_id,
            batches.c.state == "planned",
            batches.c.sha256.is_not(None),
            batches.c.row_count > 0,
        )

    def of_plan(self, plan_id: str) -> list[Batch]:
        return select_batches(self._database, batches.c.plan_id == plan_id)

    def children_of(self, batch_id: str) -> list[str]:
        """Batches that a refusal made out of this one, in file order."""
        with self._database.transaction() as connection:
            of_child = sa.select(sa.func.min(claims.c.claim_no)).where(sa.text(CLAIMS_OF_BATCH))
            first = of_child.correlate(batches).scalar_subquery()
            children = connection.execute(
                sa.select(batches.c.batch_id, first).where(batches.c.parent_batch_id == batch_id)
            ).all()
        in_file_order = sorted((place_of(first), child) for child, first in children if first)
        return [child for _, child in in_file_order]

    def rows_of(self, batch_id: str) -> BatchRows:
        """What the file of a batch holds, and no more than a sender needs of it."""
        with self._database.reading() as connection:
            batch = connection.execute(
                sa.select(batches.c.batch_no, batches.c.plan_id).where(
                    batches.c.batch_id == batch_id
                )
            ).one()
            found = claims_of_batch(connection, batch.batch_no)
        return BatchRows(
            enrolment_refs(batch.plan_id, places_of(found["claim_no"].to_numpy())).to_pylist(),
            [f"+{phone}" if phone is not None else "" for phone in found["phone"].to_pylist()],
        )

    def claims_of(self, batch_id: str) -> list[Claim]:
        """The claims of a batch, in file order."""
        return select_claims(self._database, batch_id)

    def start_sending(self, batch_id: str, *, owner: str, run_id: str, lease: timedelta) -> bool:
        """planned → sending, leased to `owner`; False when somebody else was faster.

        Raises:
            SendingStopped: a stop that was written before this stands; the batch stays planned.
            PlanHeld: a guard holds the plan and nobody approved it.
        """
        with self._database.transaction() as connection:
            batch = connection.execute(_SYNC_AND_PLAN, {"of_batch": batch_id}).one()
            refuse_when_stopped(self._database, connection, batch.sync)
            refuse_when_held(connection, batch.plan_id)
            now = self._database.now(connection)
            taken = connection.execute(
                _TAKE,
                {
                    "of_batch": batch_id,
                    "owner": owner,
                    "until": now + lease,
                    "now": now,
                    "run": run_id,
                },
            )
            return taken.rowcount == 1

    def renew_lease(self, batch_id: str, *, owner: str, lease: timedelta) -> bool:
        """Heart-beat of a living sender; False when the lease is no longer its own."""
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            renewed = connection.execute(
                sa.update(batches)
                .where(
                    batches.c.batch_id == batch_id,
                    batches.c.state == "sending",
                    batches.c.lease_owner == owner,
                )
                .values(lease_expires_at=now + lease)
            )
            return renewed.rowcount == 1

    def renew_leases(self, *, owner: str, lease: timedelta) -> int:
        """`renew_lease` of all that a sender is sending; how many leases are still its own."""
        with self._database.transaction() as connection:
            until = self._database.now(connection) + lease
            renewed = connection.execute(_RENEW, {"owner": owner, "until": until})
            return renewed.rowcount

    def is_leased(self, batch_id: str, *, owner: str, still: timedelta) -> bool:
        """Whether a batch is being sent by `owner`, whose lease goes on for `still` at least."""
        with self._database.reading() as connection:
            until = self._database.now(connection) + still
            asked = {"of_batch": batch_id, "owner": owner, "until": until}
            return connection.scalar(_LEASE, asked) is not None

    def settle_enrolled(
        self, batch_id: str, *, owner: str, lead_ids: Mapping[str, str | None]
    ) -> None:
        """sending → enrolled: every claim is enrolled; `lead_ids` is ref → DialNexa's lead id."""
        with self._database.transaction() as connection:
            batch, now = self._own(connection, batch_id, owner)
            # The answer accounts for every row, also for those whose id it does not tell.
            keep_lead_ids(connection, batch, lead_ids)
            finish_batch(connection, batch, now, state="enrolled", settled_at=now)

    def settle_rejected(
        self,
        batch_id: str,
        *,
        owner: str,
        rejected: Mapping[str, tuple[str, str | None]],
        detail: str,
    ) -> str | None:
        """sending → rejected: refused rows out, the rest re-planned in a new batch.

        Args:
            rejected: ref → (reason, detail) of each row that DialNexa refused.
            detail: the vendor's sentence, masked.

        Returns:
            The id of the new batch, which has no file yet; None when no row is left.
        """
        with self._database.transaction() as connection:
            batch, now = self._own(connection, batch_id, owner)
            reject_claims(connection, batch, rejected, now)
            child = self._move_planned_claims(connection, batch, now)
            finish_batch(connection, batch, now, state="rejected", settled_at=now, detail=detail)
            return child

    def reject_unsent(
        self, batch_id: str, *, rejected: Mapping[str, tuple[str, str | None]], detail: str
    ) -> bool:
        """planned → rejected: what was learnt of other files settles every row without sending it.

        Args:
            rejected: ref → (reason, detail) of each row of the batch.

        Returns:
            False when the batch was taken or released meanwhile; nothing is written then.
        """
        with self._database.transaction() as connection:
            batch = lock_batch(connection, batch_id)
            if batch.state != "planned":
                return False
            now = self._database.now(connection)
            reject_claims(connection, batch, rejected, now)
            finish_batch(connection, batch, now, state="rejected", settled_at=now, detail=detail)
            return True

    def set_apart(
        self, batch_id: str, *, owner: str, refs: Collection[str], detail: str
    ) -> list[str]:
        """sending → rejected: the rows named by ref go to one new batch, the rest to another."""
        with self._database.transaction() as connection:
            batch, now = self._own(connection, batch_id, owner)
            unpack(connection, batch.batch_no)
            suspected = are_numbered(self._database.dialect, claim_numbers(batch, refs))
            children = [
                self._move_planned_claims(connection, batch, now, suspected),
                self._move_planned_claims(connection, batch, now),
            ]
            finish_batch(connection, batch, now, state="rejected", settled_at=now, detail=detail)
            return [child for child in children if child is not None]

    def split(self, batch_id: str, *, owner: str, detail: str) -> list[str]:
        """sending → rejected: a 400 named no row, so the claims go to two new halves.

        A 400 enrols nothing (docs/dialnexa-api.md), so sending halves calls nobody twice.
        """
        with self._database.transaction() as connection:
            batch, now = self._own(connection, batch_id, owner)
            unpack(connection, batch.batch_no)
            middle = connection.scalar(
                sa.select(claims.c.claim_no)
                .where(undecided(batch.batch_no))
                .order_by(claims.c.claim_no)
                .offset(batch.row_count // 2)
                .limit(1)
            )
            halves = [
                self._move_planned_claims(connection, batch, now, claims.c.claim_no < middle),
                self._move_planned_claims(connection, batch, now),
            ]
            finish_batch(connection, batch, now, state="rejected", settled_at=now, detail=detail)
            return [half for half in halves if half is not None]

    def return_to_planned(self, batch_id: str, *, owner: str, detail: str) -> None:
        """sending → planned: the request provably did nothing."""
        with self._database.transaction() as connection:
            batch, now = self._own(connection, batch_id, owner)
            finish_batch(connection, batch, now, state="planned", sent_at=None, detail=detail)

    def fail(self, batch_id: str, *, owner: str, reason: str, detail: str) -> None:
        """sending → failed: DialNexa refused the call itself; rows are kept as planned."""
        with self._database.transaction() as connection:
            batch, now = self._own(connection, batch_id, owner)
            finish_batch(
                connection, batch, now, state="failed", settled_at=now, reason=reason, detail=detail
            )

    def put_in_doubt(
        self,
        batch_id: str,
        *,
        owner: str,
        reason: str,
        detail: str,
        enrolled: Mapping[str, str | None] | None = None,
    ) -> None:
        """sending → in_doubt: the answer is unknown; rows it did prove are enrolled."""
        with self._database.transaction() as connection:
            batch, now = self._own(connection, batch_id, owner)
            if enrolled:
                enrol_claims(connection, batch, enrolled, now)
            put_batch_in_doubt(connection, batch, now, reason=reason, detail=detail)

    def list_unsent(self, plan_id: str) -> int:
        """Show leads of a plan that are still planned among the rejected rows; how many."""
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            unsent = connection.execute(
                sa.select(batches.c.batch_id)
                .join(plans, plans.c.plan_id == batches.c.plan_id)
                .where(
                    batches.c.plan_id == plan_id,
                    plans.c.state != "superseded",
                    batches.c.state.in_(("planned", "released")),
                    batches.c.row_count > 0,
                )
            ).scalars()
            rows = 0
            for batch_id in unsent.all():
                batch = lock_batch(connection, batch_id)
                change_id = note_change(connection, now, batch.sync, plan_id, batch_id)
                list_unenrolled_claims(connection, batch, now=now, change_id=change_id)
                rows += batch.row_count
            return rows

    def _move_planned_claims(
        self,
        connection: sa.Connection,
        parent: Batch,
        now: datetime,
        *conditions: sa.ColumnElement[bool] | sa.TextClause,
    ) -> str | None:
        """A new batch of some claims of an unpacked one; its id, None when there are none."""
        child = secrets.token_hex(8)
        picked = (undecided(parent.batch_no), *conditions)
        count = connection.scalar(sa.select(sa.func.count()).select_from(claims).where(*picked))
        if not count:
            return None
        (child_no,) = next_batch_numbers(connection, 1)
        connection.execute(
            sa.insert(batches).values(
                batch_id=child,
                batch_no=child_no,
                plan_id=parent.plan_id,
                parent_batch_id=parent.batch_id,
                sync=parent.sync,
                partition_key=parent.partition_key,
                workflow_id=parent.workflow_id,
                state="planned",
                ref_column=parent.ref_column,
                hold_absent=parent.hold_absent,
                row_count=count,
                created_at=now,
            )
        )
        hand_on(connection, parent.batch_no, child_no, *picked)
        moved = sa.literal(claim_number(child_no, 0), sa.BigInteger) + PLACE
        connection.execute(sa.update(claims).where(*picked).values(claim_no=moved))
        return child

    def _own(self, connection: sa.Connection, batch_id: str, owner: str) -> tuple[Batch, datetime]:
        if connection.scalar(_SENDER, {"of_batch": batch_id}) != owner:
            raise LeaseLost(
                f"Batch {batch_id} is no longer leased to this sender, so its answer is not "
                "written down here; the batch is in doubt and `dialnexa reconcile` settles it."
            )
        return lock_batch(connection, batch_id), self._database.now(connection)
