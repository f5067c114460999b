"""Erased people: their personal data out of the ledger, a keyed hash of the number in it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger.abandoned import end_open_plans
from dialnexa_pipeline.ledger.bulk import rows_parameter, rows_relation
from dialnexa_pipeline.ledger.changes import note_change
from dialnexa_pipeline.ledger.corrections import erase_corrections
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.live_claims import keep_claims_out
from dialnexa_pipeline.ledger.packs import batches_that_pack, unpack, unpack_leads
from dialnexa_pipeline.ledger.tables import PLACE_BITS, batches, erasures, rejected_rows

_READ_ROWS = 20_000


class NotWithdrawn(DialNexaError):
    """A number that is to be erased still has a claim that is not withdrawn."""


@dataclass(frozen=True, slots=True)
class BatchFile:
    """A batch whose file has a row of somebody; `needed` until it is sent or released."""

    batch_id: str
    folder: str
    needed: bool


class Erasures:
    """Who was erased, and erasing."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def key_ids(self) -> set[str]:
        """The keys under which somebody was erased; empty when nobody was."""
        with self._database.transaction() as connection:
            return set(connection.execute(sa.select(erasures.c.key_id).distinct()).scalars())

    def known(self, hashes: Collection[str]) -> set[str]:
        """Those of some hashes that belong to erased people."""
        relation = rows_relation(self._database.dialect, {"hash": "text"})
        with self._database.transaction() as connection:
            rows = connection.execute(
                sa.text(
                    f"SELECT erasures.phone_hash FROM {relation} AS asked "
                    "CROSS JOIN erasures WHERE erasures.phone_hash = asked.hash"
                ),
                {"rows": rows_parameter([[each] for each in hashes])},
            )
            return set(rows.scalars())

    def phones_of_leads(self, sync: str, lead_keys: Collection[str]) -> set[int]:
        """Every number that the ledger ever saw at some leads of a sync."""
        unpack_leads(self._database, lead_keys=lead_keys, sync=sync)
        relation = rows_relation(self._database.dialect, {"lead_key": "text"})
        asked = f"IN (SELECT lead_key FROM {relation} AS asked)"
        parameters = {"sync": sync, "rows": rows_parameter([[key] for key in lead_keys])}
        with self._database.transaction() as connection:
            found = connection.execute(
                sa.text(
                    "SELECT phone FROM claim_states WHERE phone IS NOT NULL AND sync = :sync "
                    f"AND lead_key {asked} UNION "
                    "SELECT CAST(substr(phone, 2) AS BIGINT) FROM rejected_rows "
                    f"WHERE phone IS NOT NULL AND sync = :sync AND lead_key {asked}"
                ),
                parameters,
            )
            return {int(phone) for phone in found.scalars()}

    def files_of(self, phones: Collection[int]) -> list[BatchFile]:
        """Batches whose file has a row of these numbers; a refused batch kept its whole file."""
        unpack_leads(self._database, phones=phones)
        relation = rows_relation(self._database.dialect, {"phone": "int"})
        statement = sa.text(
            "WITH RECURSIVE holding (batch_id) AS ("
            "SELECT DISTINCT batch_id FROM claim_states "
            f"WHERE phone IN (SELECT phone FROM {relation} AS asked) UNION "
            "SELECT batches.parent_batch_id FROM batches "
            "JOIN holding ON holding.batch_id = batches.batch_id "
            "WHERE batches.parent_batch_id IS NOT NULL) "
            "SELECT batches.batch_id, batches.sync, batches.plan_id, "
            "batches.state IN ('planned', 'sending') OR EXISTS (SELECT 1 FROM batches AS child "
            # The child's file is still to be cut out of its parent's.
            "WHERE child.parent_batch_id = batches.batch_id AND child.state = 'planned' "
            "AND child.sha256 IS NULL) AS needed "
            "FROM batches JOIN holding ON holding.batch_id = batches.batch_id"
        )
        with self._database.transaction() as connection:
            rows = connection.execute(
                statement, {"rows": rows_parameter([[phone] for phone in phones])}
            )
            return [
                BatchFile(row.batch_id, f"{row.sync}/batches/{row.plan_id}", bool(row.needed))
                for row in rows
            ]

    def erase(
        self,
        hashes: Mapping[int, str],
        *,
        key_id: str,
        who: str,
        why: str,
        spelled: Callable[[str | None], bool],
    ) -> None:
        """Null everything personal of some numbers, and keep their hashes; all or nothing.

        The numbers must be withdrawn: a claim that is erased does not hold its number any more. So
        every plan that is being made ends here: its planner may have looked for erased people
        already, and would claim the number anew.

        Args:
            hashes: number → its keyed hash.
            spelled: whether a raw phone is one of the numbers, for rows that were never parsed.

        Raises:
            NotWithdrawn: a claim of one of the numbers may still enrol it, or has.
        """
        dialect = self._database.dialect
        rows = rows_parameter(list(hashes.items()))
        asked = rows_relation(dialect, {"phone": "int", "hash": "text"})
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            end_open_plans(connection, now)
            keep_claims_out(connection)
            for batch_no in batches_that_pack(connection, phones=hashes.keys()):
                unpack(connection, batch_no)
            standing = connection.scalar(
                sa.text(
                    "SELECT count(*) FROM claim_states "
                    f"WHERE phone IN (SELECT phone FROM {asked} AS asked) "
                    "AND state IN ('planned', 'in_doubt', 'enrolled')"
                ),
                {"rows": rows},
            )
            if standing:
                raise NotWithdrawn(
                    f"{standing} claims of these numbers are not withdrawn, because a run made "
                    "them meanwhile; the ledger erased nothing. Run the command again."
                )
            connection.execute(
                sa.text(
                    "INSERT INTO erasures (phone_hash, key_id, who, why, made_at) "
                    f"SELECT asked.hash, :key_id, :who, :why, :now FROM {asked} AS asked "
                    "WHERE true ON CONFLICT (phone_hash) DO NOTHING"
                ).bindparams(sa.bindparam("now", type_=erasures.c.made_at.type)),
                {"key_id": key_id, "who": who, "why": why, "now": now, "rows": rows},
            )
            erased = f"WHERE phone IN (SELECT phone FROM {asked} AS asked)"
            for table in ("live_claims", "expired_claims"):
                connection.execute(sa.text(f"DELETE FROM {table} {erased}"), {"rows": rows})
            touched = connection.execute(
                sa.text(
                    f"UPDATE claims SET phone = NULL, raw_phone = NULL, detail = NULL {erased} "
                    f"RETURNING claims.claim_no >> {PLACE_BITS}"
                ),
                {"rows": rows},
            ).scalars()
            for batch_no in sorted(set(touched)):
                batch = connection.execute(
                    sa.select(batches.c.sync, batches.c.plan_id, batches.c.batch_id).where(
                        batches.c.batch_no == batch_no
                    )
                ).one()
                note_change(connection, now, batch.sync, batch.plan_id, batch.batch_id)
            erase_corrections(connection, hashes.keys(), spelled)
            self._erase_rejected(connection, {f"+{phone}" for phone in hashes}, spelled)

    def scrub(self) -> None:
        """Take what was overwritten out of a SQLite ledger's file; see `LedgerDatabase.scrub`."""
        self._database.scrub()

    def _erase_rejected(
        self,
        connection: sa.Connection,
        phones: Collection[str],
        spelled: Callable[[str | None], bool],
    ) -> None:
        now = self._database.now(connection)
        found: dict[str, list[tuple[str, str, str]]] = {}
        rows = connection.execute(
            sa.select(
                rejected_rows.c.sync,
                rejected_rows.c.workflow_id,
                rejected_rows.c.lead_key,
                rejected_rows.c.plan_id,
                rejected_rows.c.raw_phone,
                rejected_rows.c.phone,
            ).where(rejected_rows.c.raw_phone.is_not(None)),
            execution_options={"yield_per": _READ_ROWS},
        )
        plan_of: dict[str, str] = {}
        for row in rows:
            if row.phone in phones if row.phone is not None else spelled(row.raw_phone):
                found.setdefault(row.sync, []).append((row.sync, row.workflow_id, row.lead_key))
                plan_of[row.sync] = row.plan_id
        key = sa.and_(
            rejected_rows.c.sync == sa.bindparam("key_sync"),
            rejected_rows.c.workflow_id == sa.bindparam("key_workflow"),
            rejected_rows.c.lead_key == sa.bindparam("key_lead"),
        )
        for sync, keys in found.items():
            change_id = note_change(connection, now, sync, plan_of[sync])
            connection.execute(
                sa.update(rejected_rows)
                .where(key)
                .values(raw_phone=None, phone=None, detail=None, change_id=change_id),
                [
                    {"key_sync": each[0], "key_workflow": each[1], "key_lead": each[2]}
                    for each in keys
                ],
            )
