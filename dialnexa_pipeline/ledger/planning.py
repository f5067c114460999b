"""Plans and claims: who may be sent, decided by the database before anything leaves."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger.abandoned import release_abandoned, release_unsent
from dialnexa_pipeline.ledger.approvals import Hold, pass_on_approval, refuse_when_held
from dialnexa_pipeline.ledger.bulk import rows_parameter, rows_relation
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import Candidate, Count, Holder, Plan, RefusedRow
from dialnexa_pipeline.ledger.rejections import resolve_not_seen_again, upsert_rejected_rows
from dialnexa_pipeline.ledger.tables import batches, claims, plan_counts, plans

_CLAIM_COLUMNS = {
    "enrolment_ref": "text",
    "batch_id": "text",
    "seq": "int",
    "workflow_id": "text",
    "lead_key": "text",
    "raw_phone": "text",
    "phone": "int",
}
_BEFORE_EVERY_CLAIM = datetime(1970, 1, 1, tzinfo=UTC)


class PlanSuperseded(DialNexaError):
    """A newer plan took over, or this one was taken for dead; it claims nothing more."""


class Plans:
    """Opening, filling and closing plans."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def begin(
        self,
        *,
        sync: str,
        partition_key: str,
        run_id: str,
        lease: timedelta = timedelta(seconds=60),
    ) -> Plan:
        """Open a plan; claims of this sync and partition that were never sent are released.

        So are those of plans of other syncs that nobody finishes (`ledger.abandoned`). A batch that
        is being sent, or is in doubt, keeps its claims (docs/design.md, invariant 1).

        Args:
            lease: how long the plan counts as alive unless its planner renews it.
        """
        plan = Plan(secrets.token_hex(8), sync, partition_key, run_id)
        with self._database.transaction() as connection:
            self._database.lock(connection, f"{sync}\x1f{partition_key}")
            now = self._database.now(connection)
            of_partition = (plans.c.sync == sync, plans.c.partition_key == partition_key)
            connection.execute(
                sa.update(plans)
                .where(*of_partition, plans.c.state != "superseded")
                .values(state="superseded")
            )
            earlier = sa.select(plans.c.plan_id).where(*of_partition)
            release_unsent(connection, batches.c.plan_id.in_(earlier), now)
            release_abandoned(connection, now)
            connection.execute(
                sa.insert(plans).values(
                    plan_id=plan.plan_id,
                    sync=sync,
                    partition_key=partition_key,
                    run_id=run_id,
                    state="open",
                    created_at=now,
                    lease_expires_at=now + lease,
                )
            )
        return plan

    def renew_lease(self, plan: Plan, *, lease: timedelta) -> bool:
        """Heart-beat of a living planner; False when the plan is not open any more."""
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            renewed = connection.execute(
                sa.update(plans)
                .where(plans.c.plan_id == plan.plan_id, plans.c.state == "open")
                .values(lease_expires_at=now + lease)
            )
            return renewed.rowcount == 1

    def expire(self, workflow_id: str, phones: Collection[int], *, older_than: timedelta) -> None:
        """End enrolled claims past the sync's `dedupe` duration, so the numbers are free again."""
        relation = rows_relation(self._database.dialect, {"phone": "int"})
        with self._database.transaction() as connection:
            cutoff = self._database.now(connection) - older_than
            connection.execute(
                sa.text(
                    "UPDATE claims SET live = :dead WHERE live AND workflow_id = :workflow_id "
                    "AND state = 'enrolled' AND settled_at < :cutoff "
                    f"AND phone IN (SELECT phone FROM {relation} AS asked)"
                ).bindparams(
                    sa.bindparam("dead", type_=sa.Boolean),
                    sa.bindparam("cutoff", type_=claims.c.settled_at.type),
                ),
                {
                    "dead": False,
                    "workflow_id": workflow_id,
                    "cutoff": cutoff,
                    "rows": rows_parameter([[phone] for phone in phones]),
                },
            )

    def find_holders(
        self,
        workflow_id: str,
        phones: Collection[int],
        *,
        forgotten_after: timedelta | None = None,
    ) -> dict[int, Holder]:
        """Phone → holder of its live claim in the workflow, for the phones that have one.

        Args:
            forgotten_after: leave out enrolled claims that `expire` would end.
        """
        relation = rows_relation(self._database.dialect, {"phone": "int"})
        statement = sa.text(
            "SELECT claims.phone, claims.sync, claims.lead_key, claims.state, "
            f"batches.state AS batch_state FROM {relation} AS asked "
            # SQLite keeps a CROSS JOIN's order: look each phone up, never scan the claims.
            "CROSS JOIN claims JOIN batches ON batches.batch_id = claims.batch_id "
            "WHERE claims.workflow_id = :workflow_id "
            "AND claims.phone = asked.phone AND claims.live "
            "AND NOT (claims.state = 'enrolled' AND claims.settled_at < :cutoff)"
        ).bindparams(sa.bindparam("cutoff", type_=claims.c.settled_at.type))
        with self._database.transaction() as connection:
            cutoff = (
                self._database.now(connection) - forgotten_after
                if forgotten_after is not None
                else _BEFORE_EVERY_CLAIM
            )
            rows = connection.execute(
                statement,
                {
                    "workflow_id": workflow_id,
                    "cutoff": cutoff,
                    "rows": rows_parameter([[phone] for phone in phones]),
                },
            )
            return {
                row.phone: Holder(row.sync, row.lead_key, row.state, row.batch_state)
                for row in rows
            }

    def claim(
        self,
        plan: Plan,
        candidates: Sequence[Candidate],
        *,
        ref_column: str | None,
        hold_absent: bool = False,
    ) -> set[str]:
        """Reserve each candidate's (workflow, phone); return the refs that won.

        A candidate whose number is already claimed is left out of the answer: the unique index
        decides, whoever else is planning at this moment. Batches not yet known are added.

        Args:
            hold_absent: rows of these batches that are proved absent wait for a person.

        Raises:
            PlanSuperseded: a newer plan of the same sync and partition exists.
        """
        if not candidates:
            return set()
        relation = rows_relation(self._database.dialect, _CLAIM_COLUMNS)
        names = ", ".join(_CLAIM_COLUMNS)
        picked = ", ".join(f"asked.{name}" for name in _CLAIM_COLUMNS)
        insert = sa.text(
            f"INSERT INTO claims ({names}, plan_id, sync, state, live, claimed_at) "
            f"SELECT {picked}, :plan_id, :sync, 'planned', :live, :now "
            # One order for everybody: two planners that meet must not wait for each other.
            f"FROM {relation} AS asked WHERE true ORDER BY asked.workflow_id, asked.phone "
            "ON CONFLICT (workflow_id, phone) WHERE live DO NOTHING RETURNING enrolment_ref"
        ).bindparams(
            sa.bindparam("live", type_=sa.Boolean),
            sa.bindparam("now", type_=claims.c.claimed_at.type),
        )
        rows = [
            (c.enrolment_ref, c.batch_id, c.seq, c.workflow_id, c.lead_key, c.raw_phone, c.phone)
            for c in candidates
        ]
        with self._database.transaction() as connection:
            self._lock_open(connection, plan)
            now = self._database.now(connection)
            self._add_batches(connection, plan, candidates, ref_column, hold_absent=hold_absent)
            won = connection.execute(
                insert,
                {
                    "plan_id": plan.plan_id,
                    "sync": plan.sync,
                    "live": True,
                    "now": now,
                    "rows": rows_parameter(rows),
                },
            )
            return set(won.scalars())

    def refuse(self, plan: Plan, rows: Sequence[RefusedRow], counts: Sequence[Count]) -> None:
        """Write down leads that get no claim, and how many there were by outcome and reason."""
        with self._database.transaction() as connection:
            self._lock_open(connection, plan)
            now = self._database.now(connection)
            if rows:
                change_id = note_change(connection, now, plan.sync, plan.plan_id)
                upsert_rejected_rows(
                    connection, self._database.dialect, plan, rows, now=now, change_id=change_id
                )
            for count in counts:
                key = (
                    plan_counts.c.plan_id == plan.plan_id,
                    plan_counts.c.workflow_id == count.workflow_id,
                    plan_counts.c.outcome == count.outcome,
                    plan_counts.c.reason == count.reason,
                )
                updated = connection.execute(
                    sa.update(plan_counts)
                    .where(*key)
                    .values(leads=plan_counts.c.leads + count.leads)
                )
                if updated.rowcount == 0:
                    connection.execute(
                        sa.insert(plan_counts).values(
                            plan_id=plan.plan_id,
                            workflow_id=count.workflow_id,
                            outcome=count.outcome,
                            reason=count.reason,
                            leads=count.leads,
                        )
                    )

    def batch_is_on_disk(
        self, batch_id: str, *, file_path: str, sha256: str, file_bytes: int, row_count: int
    ) -> None:
        """Note the file of a batch; before this the batch cannot be sent."""
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(batches)
                .where(batches.c.batch_id == batch_id, batches.c.state == "planned")
                .values(
                    file_path=file_path, sha256=sha256, file_bytes=file_bytes, row_count=row_count
                )
            )

    def make_ready(
        self, plan: Plan, *, source_rows: int, phone_metadata: str, hold: Hold | None = None
    ) -> None:
        """Close the plan: its batches may be sent; rejected rows not seen again are resolved.

        Args:
            hold: why a guard holds the plan; then it is sent only if somebody approves it.

        Raises:
            PlanSuperseded: a newer plan of the same sync and partition exists.
        """
        with self._database.transaction() as connection:
            self._lock_open(connection, plan)
            now = self._database.now(connection)
            change_id = note_change(connection, now, plan.sync, plan.plan_id)
            resolve_not_seen_again(connection, plan, now=now, change_id=change_id)
            connection.execute(
                sa.update(plans)
                .where(plans.c.plan_id == plan.plan_id)
                .values(
                    state="ready",
                    ready_at=now,
                    source_rows=source_rows,
                    phone_metadata=phone_metadata,
                    held_by=", ".join(hold.by) if hold is not None else None,
                    held_why=hold.why if hold is not None else None,
                )
            )
            pass_on_approval(connection, plan, hold, now)

    def sendable(self, *, sync: str, partition_key: str) -> Plan | None:
        """The current plan, if it may be sent.

        Raises:
            PlanHeld: a guard holds it and nobody approved it.
        """
        plan = self.current(sync=sync, partition_key=partition_key)
        if plan is not None:
            with self._database.transaction() as connection:
                refuse_when_held(connection, plan.plan_id)
        return plan

    def current(self, *, sync: str, partition_key: str) -> Plan | None:
        """The newest ready plan of a sync and partition, held or not."""
        with self._database.transaction() as connection:
            row = connection.execute(
                sa.select(plans)
                .where(
                    plans.c.sync == sync,
                    plans.c.partition_key == partition_key,
                    plans.c.state == "ready",
                )
                .order_by(plans.c.created_at.desc())
                .limit(1)
            ).first()
        return Plan(row.plan_id, row.sync, row.partition_key, row.run_id) if row else None

    def _lock_open(self, connection: sa.Connection, plan: Plan) -> None:
        state = connection.scalar(
            sa.select(plans.c.state).where(plans.c.plan_id == plan.plan_id).with_for_update()
        )
        if state != "open":
            raise PlanSuperseded(
                f"Sync {plan.sync!r}: another run planned the same sync and partition while this "
                "one was planning, or took this one for dead because its heart-beat had stopped, "
                "or somebody withdrew one of its numbers. This plan stops here and claims nothing "
                "more; nothing was sent by it. Look at the newer run, or run the sync again."
            )

    def _add_batches(
        self,
        connection: sa.Connection,
        plan: Plan,
        candidates: Sequence[Candidate],
        ref_column: str | None,
        *,
        hold_absent: bool,
    ) -> None:
        wanted: Mapping[str, str] = {c.batch_id: c.workflow_id for c in candidates}
        known = set(
            connection.execute(
                sa.select(batches.c.batch_id).where(batches.c.batch_id.in_(list(wanted)))
            ).scalars()
        )
        now = self._database.now(connection)
        for batch_id, workflow_id in wanted.items():
            if batch_id not in known:
                connection.execute(
                    sa.insert(batches).values(
                        batch_id=batch_id,
                        plan_id=plan.plan_id,
                        sync=plan.sync,
                        partition_key=plan.partition_key,
                        workflow_id=workflow_id,
                        state="planned",
                        ref_column=ref_column,
                        hold_absent=hold_absent,
                        row_count=0,
                        created_at=now,
                    )
                )
