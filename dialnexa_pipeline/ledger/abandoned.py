"""Plans whose run is over: what they claimed and never sent is free for whoever plans next."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from dialnexa_pipeline.ledger.live_claims import give_up, give_up_phones
from dialnexa_pipeline.ledger.packs import packed_claims
from dialnexa_pipeline.ledger.tables import batches, plans
from dialnexa_pipeline.ledger.transitions import undecided

# A preview waits this long for its approval before another planner may have its numbers.
PREVIEW_KEEPS = timedelta(days=7)
_UNSENT = ("planned", "failed")
_WAS_SENT = sa.exists().where(batches.c.plan_id == plans.c.plan_id, batches.c.sent_at.is_not(None))
_HAS_UNSENT = sa.exists().where(batches.c.plan_id == plans.c.plan_id, batches.c.state.in_(_UNSENT))


def release_abandoned(connection: sa.Connection, now: datetime) -> None:
    """Give up plans that nobody finishes, of any sync.

    These are plans whose planner died, because its lease ran out, and ready plans that were not
    sent within `PREVIEW_KEEPS`. A plan that is locked at this moment is alive.
    """
    is_dead = sa.and_(plans.c.state == "open", plans.c.lease_expires_at < now)
    is_forgotten = sa.and_(
        plans.c.state == "ready", plans.c.ready_at < now - PREVIEW_KEEPS, _HAS_UNSENT
    )
    found = connection.execute(
        sa.select(plans.c.plan_id, _WAS_SENT)
        .where(sa.or_(is_dead, is_forgotten))
        .with_for_update(of=plans, skip_locked=True)
    ).all()
    _give_up(connection, [(row.plan_id, bool(row[1])) for row in found], now)


def release_partitions(
    connection: sa.Connection, sync: str, partition_keys: Collection[str], now: datetime
) -> None:
    """Give up plans of some partitions of a sync that are not sent, or not whole."""
    if not partition_keys:
        return
    found = connection.execute(
        sa.select(plans.c.plan_id, _WAS_SENT)
        .where(plans.c.sync == sync, plans.c.partition_key.in_(partition_keys))
        .where(sa.or_(plans.c.state == "open", _HAS_UNSENT))
    ).all()
    _give_up(connection, [(row.plan_id, bool(row[1])) for row in found], now)


def end_open_plans(connection: sa.Connection, now: datetime) -> None:
    """Supersede every plan that is being made; none begins until the transaction ends.

    Their planners notice with their next claim.
    """
    if connection.dialect.name == "postgresql":
        # Who claims has its plan locked, and so is waited for below.
        connection.execute(sa.text("LOCK TABLE plans IN SHARE ROW EXCLUSIVE MODE"))
    ended = connection.execute(
        sa.update(plans)
        .where(plans.c.state == "open")
        .values(state="superseded")
        .returning(plans.c.plan_id)
    )
    release_unsent(connection, batches.c.plan_id.in_(ended.scalars().all()), now)


def _give_up(connection: sa.Connection, found: Sequence[tuple[str, bool]], now: datetime) -> None:
    """Supersede plans and release what they never sent; each with whether some of it was sent."""
    if not found:
        return
    connection.execute(
        sa.update(plans)
        # What was sent in part stays the account of its run.
        .where(plans.c.plan_id.in_([plan_id for plan_id, was_sent in found if not was_sent]))
        .values(state="superseded")
    )
    release_unsent(connection, batches.c.plan_id.in_([plan_id for plan_id, _ in found]), now)


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
    for batch_no in never_sent:
        # Packs first: who unpacks them at this moment has written their rows when they are gone.
        give_up_phones(connection, batch_no, packed_claims(connection, batch_no)["phone"])
        give_up(connection, batch_no, undecided(batch_no))
