"""Workflows that were filled while they slept, and that still have to be activated."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dialnexa_pipeline.ledger.accounts import claims_by_state
from dialnexa_pipeline.ledger.batch_claims import still_enrolled
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import Plan
from dialnexa_pipeline.ledger.tables import activations, batches


@dataclass(frozen=True, slots=True)
class OwedActivation:
    """One sleeping workflow, with what the ledger knows of the plans that filled it.

    Attributes:
        in_doubt: batches in the workflow, of any sync, whose answer is unknown.
        unsent: batches of these plans that wait to be sent.
        enrolled: leads of these plans in the workflow.
        sent_from: when the first of these plans' batches was sent to the workflow.
        ref_columns: correlation columns of these plans' batches; empty when turned off.
    """

    workflow_id: str
    plan_ids: tuple[str, ...]
    in_doubt: int
    unsent: int
    enrolled: int
    sent_from: datetime | None
    ref_columns: frozenset[str]

    @property
    def is_settled(self) -> bool:
        """Everything that these plans have for the workflow is answered."""
        return not self.in_doubt and not self.unsent


class Activations:
    """What is owed to sleeping workflows, each method one transaction."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def owe(self, plan: Plan, workflow_ids: Collection[str]) -> None:
        """Note before anything is sent that the workflows are to be activated afterwards."""
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            known = set(
                connection.execute(
                    sa.select(activations.c.workflow_id).where(
                        activations.c.plan_id == plan.plan_id, activations.c.activated_at.is_(None)
                    )
                ).scalars()
            )
            for workflow_id in sorted(set(workflow_ids) - known):
                key = (
                    activations.c.plan_id == plan.plan_id,
                    activations.c.workflow_id == workflow_id,
                )
                connection.execute(sa.delete(activations).where(*key))
                connection.execute(
                    sa.insert(activations).values(
                        plan_id=plan.plan_id, workflow_id=workflow_id, sync=plan.sync, owed_at=now
                    )
                )

    def owed(self, *, sync: str) -> list[OwedActivation]:
        """The sync's workflows that are not activated yet."""
        plans_of: dict[str, list[str]] = {}
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.select(activations.c.workflow_id, activations.c.plan_id)
                .where(activations.c.sync == sync, activations.c.activated_at.is_(None))
                .order_by(activations.c.workflow_id, activations.c.owed_at)
            )
            for workflow_id, plan_id in rows:
                plans_of.setdefault(workflow_id, []).append(plan_id)
            return [_read(connection, each, plans) for each, plans in plans_of.items()]

    def enrolled_phones(self, owed: OwedActivation) -> Iterator[int]:
        """Numbers that these plans enrolled in the workflow, read batch by batch."""
        with self._database.transaction() as connection:
            batch_nos = connection.execute(
                sa.select(batches.c.batch_no).where(_is_of(owed.workflow_id, owed.plan_ids))
            ).scalars()
            of_plans = list(batch_nos)
        for batch_no in of_plans:
            with self._database.transaction() as connection:
                phones = still_enrolled(connection, batch_no)["phone"].drop_null().to_pylist()
            # Not within the transaction: whoever takes them may ask the ledger something too.
            yield from phones

    def note_activated(self, owed: OwedActivation) -> None:
        """The workflow is active: nothing is owed to it for these plans."""
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            connection.execute(sa.update(activations).where(*_key(owed)).values(activated_at=now))

    def forget(self, owed: OwedActivation) -> None:
        """These plans enrolled nobody in the workflow, so it may go on sleeping."""
        with self._database.transaction() as connection:
            connection.execute(sa.delete(activations).where(*_key(owed)))


def _key(owed: OwedActivation) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        activations.c.workflow_id == owed.workflow_id,
        activations.c.plan_id.in_(owed.plan_ids),
        activations.c.activated_at.is_(None),
    )


def _is_of(workflow_id: str, plan_ids: Collection[str]) -> sa.ColumnElement[bool]:
    return sa.and_(batches.c.workflow_id == workflow_id, batches.c.plan_id.in_(plan_ids))


def _read(connection: sa.Connection, workflow_id: str, plan_ids: Collection[str]) -> OwedActivation:
    in_doubt = connection.scalar(
        sa.select(sa.func.count())
        .select_from(batches)
        .where(batches.c.workflow_id == workflow_id)
        .where(batches.c.state.in_(("in_doubt", "sending")))
    )
    unsent = 0
    sent_from: datetime | None = None
    ref_columns: set[str] = set()
    rows = connection.execute(
        sa.select(batches.c.state, batches.c.ref_column, batches.c.sent_at).where(
            _is_of(workflow_id, plan_ids), batches.c.row_count > 0
        )
    )
    for state, ref_column, sent_at in rows:
        unsent += state in {"planned", "failed"}
        if ref_column is not None:
            ref_columns.add(ref_column)
        if sent_at is not None and (sent_from is None or sent_at < sent_from):
            sent_from = sent_at
    enrolled = sum(
        each.leads
        for each in claims_by_state(connection, _is_of(workflow_id, plan_ids))
        if each.state == "enrolled"
    )
    return OwedActivation(
        workflow_id,
        tuple(plan_ids),
        in_doubt or 0,
        unsent,
        enrolled,
        sent_from,
        frozenset(ref_columns),
    )
