"""Plans and claims: who may be sent, decided by the database before anything leaves."""

import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta

import pyarrow as pa
import sqlalchemy as sa

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger.abandoned import (
    release_abandoned,
    release_partitions,
    release_unsent,
)
from dialnexa_pipeline.ledger.approvals import Hold, pass_on_approval, refuse_when_held
from dialnexa_pipeline.ledger.bulk import rows_parameter, rows_relation
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.claiming import NumberedCandidates, insert_claims
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.numbering import next_batch_numbers, workflow_numbers
from dialnexa_pipeline.ledger.records import (
    BatchOnDisk,
    Candidates,
    Count,
    Plan,
)
from dialnexa_pipeline.ledger.rejections import (
    RefusedRows,
    resolve_not_seen_again,
    upsert_rejected_rows,
)
from dialnexa_pipeline.ledger.tables import batches, plan_counts, plans


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
        covers: Collection[str] = (),
        broken_off: Collection[str] = (),
        lease: timedelta = timedelta(seconds=60),
    ) -> Plan:
        """Open a plan; claims of this sync and partition that were never sent are released.

        So are those of plans of other syncs that nobody finishes (`ledger.abandoned`). A batch that
        is being sent, or is in doubt, keeps its claims (docs/design.md, invariant 1).

        Args:
            covers: other partitions of the sync of which this plan reads every row too: their
                claims that were never sent are released as well.
            broken_off: partitions that share rows with it, whose runs ended before all was sent:
                as with `covers`, and whoever wants the rest of their rows runs them again.
            lease: how long the plan counts as alive unless its planner renews it.
        """
        plan = Plan(secrets.token_hex(8), sync, partition_key, run_id, tuple(sorted(covers)))
        with self._database.transaction() as connection:
            for key in sorted({partition_key, *covers, *broken_off}):
                self._database.lock(connection, f"{sync}\x1f{key}")
            now = self._database.now(connection)
            of_partition = (plans.c.sync == sync, plans.c.partition_key == partition_key)
            connection.execute(
                sa.update(plans)
                .where(*of_partition, plans.c.state != "superseded")
                .values(state="superseded")
            )
            earlier = sa.select(plans.c.plan_id).where(*of_partition)
            release_unsent(connection, batches.c.plan_id.in_(earlier), now)
            release_partitions(connection, sync, {*covers, *broken_off}, now)
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

    def claim(
        self,
        plan: Plan,
        candidates: Sequence[Candidates],
        *,
        ref_column: str | None,
        hold_absent: bool = False,
        refused: Sequence[RefusedRows] = (),
    ) -> set[int]:
        """Reserve each candidate's (workflow, phone); return the places in the plan that lost.

        A candidate loses whose number is already claimed: the database decides, whoever else
        is planning at this moment. Batches not yet known are added. All or nothing is written.

        Args:
            candidates: those of each batch.
            hold_absent: rows of these batches that are proved absent wait for a person.
            refused: leads that ask for no claim; they are written down in the same transaction.

        Raises:
            PlanSuperseded: a newer plan of the same sync and partition exists.
        """
        with self._database.transaction() as connection:
            self._lock_open(connection, plan)
            candidates = sorted(candidates, key=lambda each: each.workflow_id)
            batch_nos = self._add_batches(
                connection, plan, candidates, ref_column, hold_absent=hold_absent
            )
            workflow_nos = workflow_numbers(connection, {each.workflow_id for each in candidates})
            claimed = insert_claims(
                connection,
                [
                    NumberedCandidates(
                        each, batch_nos[each.batch_id], workflow_nos[each.workflow_id]
                    )
                    for each in candidates
                ],
                meanwhile=lambda: self._list_refused(connection, plan, refused),
            )
            if not claimed.won:
                return claimed.lost
            connection.execute(
                sa.update(batches)
                .where(batches.c.batch_no == sa.bindparam("of_batch"))
                .values(row_count=batches.c.row_count + sa.bindparam("won")),
                [{"of_batch": batch_no, "won": won} for batch_no, won in claimed.won],
            )
            return claimed.lost

    def refused_rows(self, rows: pa.Table) -> RefusedRows:
        """Leads that get no claim (`REFUSED`), as `claim` takes them; nothing is written yet."""
        return RefusedRows.of(self._database.dialect, rows)

    def refuse(self, plan: Plan, rows: pa.Table, counts: Sequence[Count]) -> None:
        """Write down leads that get no claim, and how many there were by outcome and reason.

        Args:
            rows: columns as in `REFUSED`.
        """
        with self._database.transaction() as connection:
            self._lock_open(connection, plan)
            self._list_refused(connection, plan, [self.refused_rows(rows)])
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
        self, batch_id: str, *, file_path: str, sha256: str, file_bytes: int
    ) -> None:
        """Note the file of a batch; before this the batch cannot be sent."""
        self.batches_are_on_disk([BatchOnDisk(batch_id, file_path, sha256, file_bytes)])

    def batches_are_on_disk(self, written: Sequence[BatchOnDisk]) -> None:
        """Note the files of some batches, all at once."""
        if not written:
            return
        with self._database.transaction() as connection:
            connection.execute(
                sa.update(batches)
                .where(batches.c.batch_id == sa.bindparam("of_batch"), batches.c.state == "planned")
                .values(
                    file_path=sa.bindparam("path"),
                    sha256=sa.bindparam("hash"),
                    file_bytes=sa.bindparam("size"),
                ),
                [
                    {
                        "of_batch": each.batch_id,
                        "path": each.file_path,
                        "hash": each.sha256,
                        "size": each.file_bytes,
                    }
                    for each in written
                ],
            )

    def make_ready(
        self, plan: Plan, *, source_rows: int, phone_metadata: str, hold: Hold | None = None
    ) -> None:
        """Close the plan: its batches may be sent; rejected rows not seen again are resolved.

        Batches that got no claim are forgotten.

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
            # Nothing is left to be sent where every number was claimed first by others.
            connection.execute(
                sa.delete(batches).where(
                    batches.c.plan_id == plan.plan_id, batches.c.row_count == 0
                )
            )
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

    def _list_refused(
        self, connection: sa.Connection, plan: Plan, refused: Sequence[RefusedRows]
    ) -> None:
        if not any(rows.count for rows in refused):
            return
        now = self._database.now(connection)
        change_id = note_change(connection, now, plan.sync, plan.plan_id)
        for rows in refused:
            if rows.count:
                upsert_rejected_rows(connection, plan, rows, now=now, change_id=change_id)

    def _lock_open(self, connection: sa.Connection, plan: Plan) -> None:
        """Lock the plan until the transaction ends."""
        found = connection.execute(
            sa.select(plans.c.plan_id)
            .where(plans.c.plan_id == plan.plan_id, plans.c.state == "open")
            .with_for_update()
        ).first()
        if found is None:
            raise PlanSuperseded(
                f"Sync {plan.sync!r}: another run planned the same sync and partition while this "
                "one was planning, or took this one for dead because its heart-beat had stopped, "
                "or somebody withdrew one of its numbers, or erased somebody. This plan stops here "
                "and claims nothing more; nothing was sent by it. Look at the newer run, or run "
                "the sync again."
            )

    def _add_batches(
        self,
        connection: sa.Connection,
        plan: Plan,
        candidates: Sequence[Candidates],
        ref_column: str | None,
        *,
        hold_absent: bool,
    ) -> dict[str, int]:
        """The numbers of the candidates' batches; those not yet known are added."""
        workflow_of = {each.batch_id: each.workflow_id for each in candidates}
        asked = rows_relation(connection.dialect.name, {"batch_id": "text"})
        known = connection.execute(
            sa.text(
                "SELECT batches.batch_id, batches.batch_no FROM batches "
                f"WHERE batches.batch_id IN (SELECT batch_id FROM {asked} AS asked)"
            ),
            {"rows": rows_parameter([[batch_id] for batch_id in workflow_of])},
        )
        numbers = {batch_id: int(batch_no) for batch_id, batch_no in known}
        new = [batch_id for batch_id in workflow_of if batch_id not in numbers]
        if new:
            now = self._database.now(connection)
            numbers.update(zip(new, next_batch_numbers(connection, len(new)), strict=True))
            connection.execute(
                sa.insert(batches),
                [
                    {
                        "batch_id": batch_id,
                        "batch_no": numbers[batch_id],
                        "plan_id": plan.plan_id,
                        "sync": plan.sync,
                        "partition_key": plan.partition_key,
                        "workflow_id": workflow_of[batch_id],
                        "state": "planned",
                        "ref_column": ref_column,
                        "hold_absent": hold_absent,
                        "row_count": 0,
                        "created_at": now,
                    }
                    for batch_id in new
                ],
            )
        return numbers
