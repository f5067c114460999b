"""Corrections: what a corrected sheet says of a lead while its source's row stays as it was."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import rows_parameter
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.packs import unpack_batches
from dialnexa_pipeline.ledger.records import REPLAY, Plan
from dialnexa_pipeline.ledger.tables import (
    batches,
    claim_states,
    corrections,
    plans,
    rejected_rows,
)


@dataclass(frozen=True, slots=True)
class Correction:
    """Values that stand in for a source row's own, as long as these are what they were.

    Attributes:
        phone: digits of the corrected number, by which an erasure finds the correction.
        was: source column → its text when the row was corrected; blank for null.
        became: the same columns → the corrected text.
    """

    lead_key: str
    phone: int | None = field(repr=False)
    was: Mapping[str, str] = field(repr=False)
    became: Mapping[str, str] = field(repr=False)


class Corrections:
    """Keeping corrections, and telling planners of them."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def keep(self, sync: str, made: Sequence[Correction], *, who: str) -> None:
        """Keep some corrections, each in place of the lead's earlier one."""
        with self._database.transaction() as connection:
            self._write(connection, sync, made, who)

    def take_back(
        self, sync: str, lead_keys: Collection[str], before: Sequence[Correction], *, who: str
    ) -> None:
        """Undo what was kept of some leads: the corrections that they had before stand again."""
        of_leads = (corrections.c.sync == sync, corrections.c.lead_key.in_(lead_keys))
        with self._database.transaction() as connection:
            connection.execute(sa.delete(corrections).where(*of_leads))
            again = [each for each in before if each.lead_key in lead_keys]
            self._write(connection, sync, again, who)

    def _write(
        self, connection: sa.Connection, sync: str, made: Sequence[Correction], who: str
    ) -> None:
        now = self._database.now(connection)
        for each in made:
            of_lead = (corrections.c.sync == sync, corrections.c.lead_key == each.lead_key)
            connection.execute(sa.delete(corrections).where(*of_lead))
            connection.execute(
                sa.insert(corrections).values(
                    sync=sync,
                    lead_key=each.lead_key,
                    phone=each.phone,
                    was=rows_parameter([list(pair) for pair in each.was.items()]),
                    became=rows_parameter([list(pair) for pair in each.became.items()]),
                    who=who,
                    made_at=now,
                )
            )

    def of_sync(self, sync: str) -> tuple[list[Correction], int]:
        """A sync's corrections, and the number of the newest, which grows with each."""
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.select(corrections)
                .where(corrections.c.sync == sync)
                .order_by(corrections.c.correction_id)
            ).all()
        made = [
            Correction(
                row.lead_key, row.phone, dict(json.loads(row.was)), dict(json.loads(row.became))
            )
            for row in rows
        ]
        return made, rows[-1].correction_id if rows else 0

    def newest(self, sync: str) -> int:
        """The number of a sync's newest correction; 0 without any."""
        with self._database.transaction() as connection:
            found = connection.scalar(
                sa.select(sa.func.max(corrections.c.correction_id)).where(
                    corrections.c.sync == sync
                )
            )
        return int(found or 0)

    def is_planning(self, sync: str) -> bool:
        """Whether a run of the sync is planning now: it may have read rows before a correction."""
        with self._database.transaction() as connection:
            alive = sa.select(sa.literal(1)).where(
                plans.c.sync == sync,
                plans.c.partition_key != REPLAY,
                plans.c.state == "open",
                plans.c.lease_expires_at > self._database.now(connection),
            )
            return connection.scalar(alive.limit(1)) is not None

    def resolve_routed(self, plan: Plan) -> None:
        """Resolve rows that had no workflow and that a plan enrolled in the one they were given."""
        enrolled = sa.select(claim_states.c.lead_key).where(
            claim_states.c.plan_id == plan.plan_id, claim_states.c.state == "enrolled"
        )
        unrouted = (
            rejected_rows.c.sync == plan.sync,
            rejected_rows.c.workflow_id == "",
            rejected_rows.c.resolved_at.is_(None),
        )
        routed = (*unrouted, rejected_rows.c.lead_key.in_(enrolled))
        any_of = sa.select(sa.literal(1)).select_from(rejected_rows).limit(1)
        with self._database.transaction() as connection:
            if connection.scalar(any_of.where(*unrouted)) is None:
                return
            unpack_batches(connection, batches.c.plan_id == plan.plan_id)
            if connection.scalar(any_of.where(*routed)) is None:
                return
            now = self._database.now(connection)
            change_id = note_change(connection, now, plan.sync, plan.plan_id)
            connection.execute(
                sa.update(rejected_rows).where(*routed).values(resolved_at=now, change_id=change_id)
            )


def erase_corrections(
    connection: sa.Connection, phones: Collection[int], spelled: Callable[[str | None], bool]
) -> None:
    """Blank what corrections say of some numbers; a number that the source itself had goes whole.

    The blank stays in place of the source's value, which was wrong: nobody is called by it.
    """
    for row in connection.execute(sa.select(corrections)).all():
        is_row = corrections.c.correction_id == row.correction_id
        if any(spelled(text) for text in dict(json.loads(row.was)).values()):
            connection.execute(sa.delete(corrections).where(is_row))
        elif row.phone in phones:
            blank = rows_parameter([[column, ""] for column, _ in json.loads(row.became)])
            connection.execute(
                sa.update(corrections).where(is_row).values(phone=None, became=blank)
            )
