"""Who holds a number: live claims that stand in a lead's way, and ending those past `dedupe`."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import Numbers, numbers_parameter, numbers_relation
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.gathering import Gathering
from dialnexa_pipeline.ledger.held_numbers import HELD, HeldNumbers
from dialnexa_pipeline.ledger.live_claims import live_claims_of_numbers
from dialnexa_pipeline.ledger.numbering import workflow_number
from dialnexa_pipeline.ledger.tables import (
    BATCH_AND_CLAIM_OF_LIVE,
    CLAIM_OF_LIVE,
    CLAIM_STATE,
    PLACE_BITS,
    STATE_FOR_CLAIMS,
    batches,
    claims,
    expired_claims,
)

_BATCHES = sa.select(
    batches.c.batch_no,
    batches.c.workflow_id,
    batches.c.sync,
    batches.c.state,
    sa.literal_column(STATE_FOR_CLAIMS, sa.Text()).label("for_claims"),
)


class Holders:
    """Live claims by workflow and phone."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def expire(self, wanted: Mapping[str, Collection[int]], *, older_than: timedelta) -> None:
        """End enrolled claims past the sync's `dedupe` duration, so the numbers are free again.

        Whoever takes such a number and never calls the person gives it back to them.

        Args:
            wanted: workflow → phones that are asked for in it.
        """
        dialect = self._database.dialect
        statements = [
            sa.text(each).bindparams(sa.bindparam("cutoff", type_=claims.c.settled_at.type))
            for each in _expiring(dialect)
        ]
        with self._database.transaction() as connection:
            cutoff = self._database.now(connection) - older_than
            for workflow_id, phones in wanted.items():
                asked = {
                    "workflow_no": workflow_number(connection, workflow_id),
                    "cutoff": cutoff,
                    "numbers": numbers_parameter(dialect, phones),
                }
                for statement in statements:
                    connection.execute(statement, asked)

    def find(
        self,
        workflows: Collection[str],
        phones: Numbers,
        *,
        forgotten_after: timedelta | None = None,
    ) -> HeldNumbers:
        """Who holds some phones in some workflows.

        Args:
            phones: each once; in rising order the index's pages are read once.
            forgotten_after: leave out enrolled claims that `expire` would end.
        """
        dialect = self._database.dialect
        asked: dict[str, object] = {
            "workflows": list(workflows),
            "numbers": numbers_parameter(dialect, phones),
        }
        with self._database.reading() as connection:
            if forgotten_after is not None:
                asked["cutoff"] = self._database.now(connection) - forgotten_after
            statement = _live_claims(dialect, with_cutoff=forgotten_after is not None)
            return HeldNumbers(_with_batches(connection, statement.read(connection, asked)))


def _expiring(dialect: str) -> list[str]:
    """Statements that move expired claims of `:numbers` from `live_claims` to `expired_claims`."""
    columns = ", ".join(expired_claims.c.keys())
    expired = (
        f"SELECT live_claims.* FROM {live_claims_of_numbers(dialect)} {BATCH_AND_CLAIM_OF_LIVE} "
        f"WHERE live_claims.workflow_no = :workflow_no AND {CLAIM_STATE} = 'enrolled' "
        "AND COALESCE(claims.settled_at, batches.settled_at) < :cutoff"
    )
    delete = (
        "DELETE FROM live_claims WHERE (phone, workflow_no) IN "
        f"(SELECT phone, workflow_no FROM ({expired}) AS expired)"
    )
    keep = (
        f"INSERT INTO expired_claims ({columns}) SELECT {columns} FROM {{which}} WHERE true "
        "ON CONFLICT (phone, workflow_no) DO UPDATE "
        "SET claim_no = excluded.claim_no, key_hash = excluded.key_hash"
    )
    if dialect == "postgresql":
        # At once: another session could change a row between two statements.
        ended = f"WITH ended AS ({delete} RETURNING {columns}) "
        return [ended + keep.format(which="ended")]
    return [keep.format(which=f"({expired}) AS expired"), delete]


@cache
def _live_claims(dialect: str, *, with_cutoff: bool) -> Gathering:
    """`phone`, `key_hash`, `batch_no` and what the claim says of its state itself.

    Args:
        with_cutoff: not those that were enrolled before `:cutoff`.
    """
    whole = sa.BigInteger()
    joined = BATCH_AND_CLAIM_OF_LIVE if with_cutoff else CLAIM_OF_LIVE
    # The plus: one step in the index per phone, not one per phone and workflow.
    of_workflows = sa.text(
        "+live_claims.workflow_no IN (SELECT workflow_no FROM workflows "
        "WHERE workflow_id IN :workflows)"
    ).bindparams(sa.bindparam("workflows", expanding=True))
    rows = (
        sa.select(
            sa.literal_column("live_claims.phone", whole).label("phone"),
            sa.literal_column("live_claims.key_hash", whole).label("key_hash"),
            sa.literal_column(f"live_claims.claim_no >> {PLACE_BITS}", whole).label("batch_no"),
            sa.literal_column("claims.state", sa.Text()).label("own_state"),
        )
        .select_from(sa.text(f"{live_claims_of_numbers(dialect)} {joined}"))
        .where(of_workflows)
    )
    if with_cutoff:
        forgotten = sa.text(
            f"NOT ({CLAIM_STATE} = 'enrolled' "
            "AND COALESCE(claims.settled_at, batches.settled_at) < :cutoff)"
        )
        rows = rows.where(
            forgotten.bindparams(sa.bindparam("cutoff", type_=claims.c.settled_at.type))
        )
    return Gathering(rows, alike=["own_state"])


def _with_batches(connection: sa.Connection, found: pa.Table) -> pa.Table:
    """What `_live_claims` found, with what the batches say of it (`HELD`)."""
    encoded = found["batch_no"].combine_chunks().dictionary_encode()
    dialect = connection.dialect.name
    known = {
        row.batch_no: row
        for row in connection.execute(
            _BATCHES.where(sa.text(f"batches.batch_no IN {numbers_relation(dialect)}")),
            {"numbers": numbers_parameter(dialect, encoded.dictionary)},
        )
    }
    of_batches = [known[number] for number in encoded.dictionary.to_pylist()]

    def said(values: list[str]) -> pa.Array:
        return pa.array(values, pa.string()).dictionary_encode().take(encoded.indices)

    states = said([row.for_claims for row in of_batches])
    own = found["own_state"].combine_chunks()
    if own.null_count < len(own):
        states = pc.coalesce(own, states.cast(pa.string())).dictionary_encode()
    return pa.table(
        {
            "workflow_id": said([row.workflow_id for row in of_batches]),
            "phone": found["phone"],
            "sync": said([row.sync for row in of_batches]),
            "key_hash": found["key_hash"],
            "state": states,
            "batch_state": said([row.state for row in of_batches]),
        }
    ).cast(HELD)
