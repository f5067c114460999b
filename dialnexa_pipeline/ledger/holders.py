"""Who holds a number: live claims that stand in a lead's way, and ending those past `dedupe`."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import Numbers, numbers_parameter, plain_rows
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.live_claims import live_claims_of_numbers
from dialnexa_pipeline.ledger.numbering import workflow_number
from dialnexa_pipeline.ledger.records import Holder
from dialnexa_pipeline.ledger.tables import BATCH_AND_CLAIM_OF_LIVE, CLAIM_STATE, claims

_BEFORE_EVERY_CLAIM = datetime(1970, 1, 1, tzinfo=UTC)


class Holders:
    """Live claims by workflow and phone."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def expire(self, wanted: Mapping[str, Collection[int]], *, older_than: timedelta) -> None:
        """End enrolled claims past the sync's `dedupe` duration, so the numbers are free again.

        Args:
            wanted: workflow → phones that are asked for in it.
        """
        dialect = self._database.dialect
        statement = sa.text(
            "DELETE FROM live_claims WHERE (live_claims.phone, live_claims.workflow_no) IN ("
            "SELECT live_claims.phone, live_claims.workflow_no "
            f"FROM {live_claims_of_numbers(dialect)} "
            f"{BATCH_AND_CLAIM_OF_LIVE} WHERE live_claims.workflow_no = :workflow_no "
            f"AND {CLAIM_STATE} = 'enrolled' "
            "AND COALESCE(claims.settled_at, batches.settled_at) < :cutoff)"
        ).bindparams(sa.bindparam("cutoff", type_=claims.c.settled_at.type))
        with self._database.transaction() as connection:
            cutoff = self._database.now(connection) - older_than
            for workflow_id, phones in wanted.items():
                connection.execute(
                    statement,
                    {
                        "workflow_no": workflow_number(connection, workflow_id),
                        "cutoff": cutoff,
                        "numbers": numbers_parameter(dialect, phones),
                    },
                )

    def find(
        self,
        workflows: Collection[str],
        phones: Numbers,
        *,
        forgotten_after: timedelta | None = None,
    ) -> dict[tuple[str, int], Holder]:
        """(workflow, phone) → holder of its live claim, for those of some workflows and phones.

        Args:
            phones: each once; in rising order the index's pages are read once.
            forgotten_after: leave out enrolled claims that `expire` would end.
        """
        dialect = self._database.dialect
        statement = sa.text(
            "SELECT batches.workflow_id, live_claims.phone, batches.sync, live_claims.key_hash, "
            f"{CLAIM_STATE}, batches.state FROM {live_claims_of_numbers(dialect)} "
            f"{BATCH_AND_CLAIM_OF_LIVE} "
            # The plus: one step in the index per phone, not one per phone and workflow.
            "WHERE +live_claims.workflow_no IN (SELECT workflow_no FROM workflows "
            "WHERE workflow_id IN :workflows) "
            f"AND NOT ({CLAIM_STATE} = 'enrolled' "
            "AND COALESCE(claims.settled_at, batches.settled_at) < :cutoff)"
        ).bindparams(
            sa.bindparam("workflows", expanding=True),
            sa.bindparam("cutoff", type_=claims.c.settled_at.type),
        )
        with self._database.reading() as connection:
            cutoff = (
                self._database.now(connection) - forgotten_after
                if forgotten_after is not None
                else _BEFORE_EVERY_CLAIM
            )
            found = connection.execute(
                statement,
                {
                    "workflows": list(workflows),
                    "cutoff": cutoff,
                    "numbers": numbers_parameter(dialect, phones),
                },
            )
            return {
                (workflow_id, phone): Holder._make(holder)
                for workflow_id, phone, *holder in plain_rows(found)
            }
