"""What the ledger knows of a sync's other runs, for those whose windows overlap."""

from dataclasses import dataclass

import sqlalchemy as sa

from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.tables import batches, plans


@dataclass(frozen=True, slots=True)
class KnownPartition:
    """A partition, or a range of them, that was planned.

    Attributes:
        half_sent_by: runs that planned or sent a plan of which a part was sent and a part was not.
    """

    partition_key: str
    half_sent_by: frozenset[str]


class Partitions:
    """Reads of the partitions of a sync."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def of(self, sync: str) -> list[KnownPartition]:
        """Every partition and range that the sync ever planned."""
        known = sa.select(plans.c.partition_key).where(plans.c.sync == sync).distinct()
        unsent, sent = batches.alias(), batches.alias()
        half_sent = (
            sa.select(plans.c.partition_key, plans.c.run_id, sent.c.sent_by_run)
            .join(sent, sent.c.plan_id == plans.c.plan_id)
            .where(plans.c.sync == sync, sent.c.sent_at.is_not(None))
            .where(
                sa.exists().where(
                    unsent.c.plan_id == plans.c.plan_id,
                    unsent.c.state.in_(("planned", "failed")),
                    unsent.c.row_count > 0,
                )
            )
            .distinct()
        )
        runs: dict[str, set[str]] = {}
        with self._database.reading() as connection:
            keys = list(connection.execute(known.order_by(plans.c.partition_key)).scalars())
            for key, planned_by, sent_by in connection.execute(half_sent):
                runs.setdefault(key, set()).update(each for each in (planned_by, sent_by) if each)
        return [KnownPartition(key, frozenset(runs.get(key, ()))) for key in keys]
