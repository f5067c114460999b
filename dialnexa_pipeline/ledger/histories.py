"""What the ledger knows of one lead or one number, from the first claim to the last refusal."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dialnexa_pipeline.ledger.bulk import numbers_parameter, plain_rows
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.live_claims import key_hashes, live_claims_of_numbers
from dialnexa_pipeline.ledger.packs import unpack_leads
from dialnexa_pipeline.ledger.records import Batch, Plan
from dialnexa_pipeline.ledger.tables import (
    BATCH_AND_CLAIM_OF_LIVE,
    CLAIM_STATE,
    batches,
    claim_states,
    plans,
    rejected_rows,
)
from dialnexa_pipeline.ledger.transitions import pick_lead_ids

_BEFORE_RUN = (
    "sync",
    "workflow_id",
    "lead_key",
    "outcome",
    "reason",
    "detail",
    "raw_phone",
    "phone",
    "partition_key",
)
_AFTER_RUN = ("first_seen_at", "last_seen_at", "resolved_at")


@dataclass(frozen=True, slots=True)
class ClaimHistory:
    """One claim and the batch it was in.

    Attributes:
        state: of the claim; `batch_state` tells whether it was sent.
        holds: no other lead gets this number in the workflow while it does.
        run_id: the run that planned it; `sent_by_run` the one that uploaded it.
    """

    sync: str
    workflow_id: str
    lead_key: str
    phone: int | None = field(repr=False)
    state: str
    holds: bool
    reason: str | None
    detail: str | None
    lead_id: str | None
    batch_id: str
    batch_state: str
    partition_key: str
    run_id: str
    sent_by_run: str | None
    claimed_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefusalHistory:
    """What stood, or stands, in a lead's way; `resolved_at` tells when it no longer did."""

    sync: str
    workflow_id: str
    lead_key: str
    outcome: str
    reason: str
    detail: str | None
    raw_phone: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    partition_key: str
    run_id: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """Everything of one lead or number, oldest first."""

    claims: tuple[ClaimHistory, ...]
    refusals: tuple[RefusalHistory, ...]

    @property
    def is_empty(self) -> bool:
        return not self.claims and not self.refusals


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The newest plan of a sync that was ready to be sent."""

    plan: Plan
    source_rows: int
    ready_at: datetime


class Histories:
    """Reads for people who ask what happened, and why."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    def of_lead(self, lead_key: str, *, sync: str | None = None) -> History:
        """By the source's key, in one sync or in all."""
        unpack_leads(self._database, lead_keys=[lead_key], sync=sync)
        return self._read(
            claim_states.c.lead_key == lead_key, rejected_rows.c.lead_key == lead_key, sync
        )

    def of_phone(self, phone: int, *, sync: str | None = None) -> History:
        """By the digits of the E.164 form, in one sync or in all."""
        unpack_leads(self._database, phones=[phone], sync=sync)
        return self._read(claim_states.c.phone == phone, rejected_rows.c.phone == f"+{phone}", sync)

    def enrolling_runs(self, sync: str, leads: Collection[tuple[str, str, int]]) -> Counter[str]:
        """Run → how many of some leads of a sync it enrolled; whose claim has ended is left out.

        Args:
            leads: key, workflow and digits of the E.164 form, each lead once.
        """
        dialect = self._database.dialect
        statement = sa.text(
            "SELECT live_claims.key_hash, batches.workflow_id, live_claims.phone, "
            "COALESCE(batches.sent_by_run, plans.run_id) "
            f"FROM {live_claims_of_numbers(dialect)} {BATCH_AND_CLAIM_OF_LIVE} "
            "JOIN plans ON plans.plan_id = batches.plan_id WHERE batches.sync = :sync "
            f"AND {CLAIM_STATE} = 'enrolled'"
        )
        hashes = key_hashes([key for key, _, _ in leads]).tolist()
        wanted = {
            (key_hash, workflow_id, phone)
            for key_hash, (_, workflow_id, phone) in zip(hashes, leads, strict=True)
        }
        phones = sorted({phone for _, _, phone in leads})
        with self._database.transaction() as connection:
            found = connection.execute(
                statement, {"sync": sync, "numbers": numbers_parameter(dialect, phones)}
            )
            return Counter(run for *lead, run in plain_rows(found) if tuple(lead) in wanted)

    def newest_plans(self) -> list[PlanSummary]:
        """One a sync, by name."""
        newest = (
            sa.select(plans.c.sync, sa.func.max(plans.c.ready_at).label("ready_at"))
            .group_by(plans.c.sync)
            .subquery()
        )
        statement = (
            sa.select(plans)
            .join(
                newest,
                sa.and_(plans.c.sync == newest.c.sync, plans.c.ready_at == newest.c.ready_at),
            )
            .order_by(plans.c.sync)
        )
        with self._database.transaction() as connection:
            return [
                PlanSummary(
                    Plan(row.plan_id, row.sync, row.partition_key, row.run_id),
                    row.source_rows or 0,
                    row.ready_at,
                )
                for row in connection.execute(statement)
            ]

    def batches(self, *, sync: str | None, state: str | None, limit: int) -> list[Batch]:
        """Batches of one sync or all, in one state or any, newest first."""
        names = [batches.c[name] for name in Batch.__dataclass_fields__]
        statement = sa.select(*names).order_by(batches.c.batch_no.desc())
        if sync is not None:
            statement = statement.where(batches.c.sync == sync)
        if state is not None:
            statement = statement.where(batches.c.state == state)
        with self._database.transaction() as connection:
            return [Batch(*row) for row in connection.execute(statement.limit(limit))]

    def _read(
        self,
        of_claims: sa.ColumnElement[bool],
        of_refusals: sa.ColumnElement[bool],
        sync: str | None,
    ) -> History:
        shown = claim_states.c
        found = (
            sa.select(
                claim_states,
                batches.c.state.label("batch_state"),
                batches.c.partition_key,
                plans.c.run_id,
                batches.c.sent_by_run,
                batches.c.sent_at,
            )
            .join(batches, batches.c.batch_no == shown.batch_no)
            .join(plans, plans.c.plan_id == shown.plan_id)
            .where(of_claims)
            .order_by(shown.claimed_at, shown.enrolment_ref)
        )
        refused = (
            sa.select(
                *(rejected_rows.c[name] for name in _BEFORE_RUN),
                plans.c.run_id,
                *(rejected_rows.c[name] for name in _AFTER_RUN),
            )
            .join(plans, plans.c.plan_id == rejected_rows.c.plan_id)
            .where(of_refusals)
            .order_by(rejected_rows.c.first_seen_at, rejected_rows.c.workflow_id)
        )
        if sync is not None:
            found = found.where(shown.sync == sync)
            refused = refused.where(rejected_rows.c.sync == sync)
        with self._database.transaction() as connection:
            rows = connection.execute(found).all()
            ids = pick_lead_ids(connection, ((row.batch_no, row.seq) for row in rows))
            return History(
                tuple(_claim_history(row, ids.get((row.batch_no, row.seq))) for row in rows),
                tuple(RefusalHistory(*row) for row in connection.execute(refused)),
            )


def _claim_history(row: sa.Row[Any], lead_id: str | None) -> ClaimHistory:
    return ClaimHistory(
        row.sync,
        row.workflow_id,
        row.lead_key,
        row.phone,
        row.state,
        row.live,
        row.reason,
        row.detail,
        lead_id,
        row.batch_id,
        row.batch_state,
        row.partition_key,
        row.run_id,
        row.sent_by_run,
        row.claimed_at,
        row.sent_at,
        row.settled_at,
    )
