"""Plans whose run is over: what they claimed and never sent is free for whoever plans next."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from dialnexa_pipeline.ledger.tables import batches, claims, plans

# A preview waits this long for its approval before another planner may have its numbers.
PREVIEW_KEEPS = timedelta(days=7)
_UNSENT = ("planned", "failed")


def release_abandoned(connection: sa.Connection, now: datetime) -> None:
    """Give up plans that nobody finishes, of any sync.

    These are plans whose planner died, because its lease ran out, and ready plans that were not
    sent within `PREVIEW_KEEPS`. A plan that is locked at this moment is alive.
    """
    was_sent = sa.exists().where(
        batches.c.plan_id == plans.c.plan_id, batches.c.sent_at.is_not(None)
    )
    has_unsent = sa.exists().where(
        batches.c.plan_id == plans.c.plan_id, batches.c.state.in_(_UNSENT)
    )
    is_dead = sa.and_(plans.c.state == "open", plans.c.lease_expires_at < now)
    is_forgotten = sa.and_(
        plans.c.state == "ready", plans.c.ready_at < now - PREVIEW_KEEPS, has_unsent
    )
    found = connection.execute(
        sa.select(plans.c.plan_id, was_sent)
        .where(sa.or_(is_dead, is_forgotten))
        .with_for_update(of=plans, skip_locked=True)
    ).all()
    if not found:
        return
    connection.execute(
        sa.update(plans)
        # What was sent in part stays the account of its run.
        .where(plans.c.plan_id.in_([row.plan_id for row in found if not row[1]]))
        .values(state="superseded")
    )
    release_unsent(connection, batches.c.plan_id.in_([row.plan_id for row in found]), now)


def release_unsent(connection: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> None:
    """planned or failed → released: those of some batches that were never sent, and their claims.

    A batch that is being sent, or is in doubt, keeps its claims (docs/design.md, invariant 1).
    """
    never_sent = (
        connection.execute(
            sa.update(batches)
            .where(which, batches.c.state.in_(_UNSENT))
            .values(state="released", settled_at=now)
            .returning(batches.c.batch_no)
        )
        .scalars()
        .all()
    )
    if never_sent:
        connection.execute(
            sa.update(claims)
            .where(claims.c.batch_no.in_(never_sent), claims.c.state.is_(None))
            .values(live=False)
        )
