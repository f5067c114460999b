"""Plans that a guard held, and the approvals with which a person lets one of them through."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.records import Plan
from dialnexa_pipeline.ledger.tables import approvals, batches, plans

_HELD = (
    sa.select(plans, approvals.c.leads, approvals.c.who, approvals.c.why, approvals.c.made_at)
    .join(approvals, approvals.c.used_by_plan == plans.c.plan_id, isouter=True)
    .where(plans.c.held_by.is_not(None))
)
_HELD_PLAN = _HELD.where(plans.c.plan_id == sa.bindparam("of_plan"))


class PlanHeld(DialNexaError):
    """A guard held the plan and nobody approved it; nothing of it is sent."""


class NothingHeld(DialNexaError):
    """There is no held plan to approve."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a guard held a plan: the keys of the sync that it broke, and a sentence."""

    by: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's word for one plan of at most so many leads."""

    leads: int
    who: str
    why: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class HeldPlan:
    """A plan that a guard held; `approval` is what lets it through all the same."""

    plan: Plan
    hold: Hold
    approval: Approval | None
    planned_at: datetime


class Approvals:
    """Held plans and what people said of them."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def held(self, *, sync: str | None = None) -> list[HeldPlan]:
        """Newest plans that wait for an approval, of one sync or of all, oldest first."""
        conditions = [plans.c.state == "ready"]
        if sync is not None:
            conditions.append(plans.c.sync == sync)
        with self._database.transaction() as connection:
            return [each for each in _held(connection, *conditions) if each.approval is None]

    def of_plan(self, plan: Plan) -> HeldPlan | None:
        """Whether a guard held this plan, and whether it was approved; None when it was not."""
        with self._database.transaction() as connection:
            return next(_held(connection, plans.c.plan_id == plan.plan_id), None)

    def approve(self, *, sync: str, partition_key: str, who: str, why: str) -> Approval:
        """Let the held plan of a sync and partition through, or one newer plan in its place.

        Raises:
            NothingHeld: no plan of it waits for an approval; the sentence names those that do.
        """
        with self._database.transaction() as connection:
            self._database.lock(connection, f"{sync}\x1f{partition_key}")
            now = self._database.now(connection)
            found = list(
                _held(
                    connection,
                    plans.c.sync == sync,
                    plans.c.partition_key == partition_key,
                    plans.c.state == "ready",
                )
            )
            if not found or found[-1].approval is not None:
                raise NothingHeld(_nothing_held(connection, sync, partition_key, found))
            plan_id = found[-1].plan.plan_id
            approval = Approval(_planned_leads(connection, plan_id), who, why, now)
            connection.execute(
                sa.insert(approvals).values(
                    sync=sync,
                    partition_key=partition_key,
                    plan_id=plan_id,
                    leads=approval.leads,
                    who=who,
                    why=why,
                    made_at=now,
                    used_by_plan=plan_id,
                    used_at=now,
                )
            )
            return approval


def refuse_when_held(connection: sa.Connection, plan_id: str) -> None:
    """Nothing of a held plan is sent before its approval.

    Raises:
        PlanHeld: with the guard's sentence.
    """
    for held in _held_plans(connection.execute(_HELD_PLAN, {"of_plan": plan_id})):
        if held.approval is None:
            raise PlanHeld(held.hold.why)


def pass_on_approval(
    connection: sa.Connection, plan: Plan, hold: Hold | None, now: datetime
) -> None:
    """Give an approval that nothing was sent on yet to this newer plan of the sync and partition.

    It must have no more leads than were approved, and break no guard that the approved plan kept.
    """
    let_through = approvals.c.used_by_plan
    unspent = connection.execute(
        sa.select(approvals.c.approval_id, plans.c.held_by)
        .join(plans, plans.c.plan_id == approvals.c.plan_id)
        .where(approvals.c.sync == plan.sync, approvals.c.partition_key == plan.partition_key)
        .where(approvals.c.leads >= _planned_leads(connection, plan.plan_id))
        .where(~sa.exists().where(batches.c.plan_id == let_through, batches.c.sent_at.is_not(None)))
        .order_by(approvals.c.approval_id.desc())
    )
    for row in unspent:
        if hold is None or set(hold.by) <= set(row.held_by.split(", ")):
            connection.execute(
                sa.update(approvals)
                .where(approvals.c.approval_id == row.approval_id)
                .values(used_by_plan=plan.plan_id, used_at=now)
            )
            return


def approve_command(sync: str, partition_key: str) -> str:
    """The command that approves a held plan."""
    option = f" --partition {shlex.quote(partition_key)}" if partition_key else ""
    return f'dialnexa approve {sync}{option} --reason "…"'


def _held(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Iterator[HeldPlan]:
    return _held_plans(connection.execute(_HELD.where(*conditions).order_by(plans.c.created_at)))


def _held_plans(rows: Iterable[sa.Row[Any]]) -> Iterator[HeldPlan]:
    for row in rows:
        yield HeldPlan(
            Plan(row.plan_id, row.sync, row.partition_key, row.run_id),
            Hold(tuple(row.held_by.split(", ")), row.held_why),
            Approval(row.leads, row.who, row.why, row.made_at) if row.leads is not None else None,
            row.created_at,
        )


def _planned_leads(connection: sa.Connection, plan_id: str) -> int:
    return int(
        connection.scalar(
            sa.select(sa.func.coalesce(sa.func.sum(batches.c.row_count), 0)).where(
                batches.c.plan_id == plan_id, batches.c.state == "planned"
            )
        )
        or 0
    )


def _nothing_held(
    connection: sa.Connection, sync: str, partition_key: str, found: list[HeldPlan]
) -> str:
    part = f", partition {partition_key}" if partition_key else ""
    if found and (approval := found[-1].approval) is not None:
        return (
            f"Sync {sync!r}{part}: the plan is approved already, by {approval.who}: "
            f"{approval.why}. Materialise {sync}/enrolments to send it."
        )
    waiting = [
        each.plan for each in _held(connection, plans.c.state == "ready") if each.approval is None
    ]
    commands = "; ".join(approve_command(plan.sync, plan.partition_key) for plan in waiting)
    return (
        f"Sync {sync!r}{part} has no plan that a guard holds, so there is nothing to approve. "
        + (f"These wait: {commands}" if commands else "No plan of any sync waits.")
    )
