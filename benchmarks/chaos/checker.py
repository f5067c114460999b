"""The outside checker: what must hold when a history has come to rest.

It shares no code with the package: it reads the sandbox's control path, the tables of the ledger
and of the warehouse by plain SQL, and every file that a child wrote for people.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from benchmarks.chaos.all_claims import show_all_claims
from benchmarks.chaos.world import SourceRow, Sync, World

# Whatever may be one of a world's numbers, in any spelling and without its country code.
_NUMBER = re.compile(rb"(9876[45])[\s-]?(\d{5})|(151123\d{5})")
_STOLEN = "The run that was sending this batch ended%"
Row = tuple[Any, ...]


@dataclass(slots=True)
class Evidence:
    """What is known from outside at the end of a history.

    Attributes:
        sandbox: workflow → leads as the control path shows them.
        source_rows: run id → rows that its source held when it was started.
        outputs: files with everything that children said.
        lease, settle, hidden: seconds; `hidden` is the longest late visibility that was ordered.
    """

    world: World
    sandbox: dict[str, list[dict[str, Any]]]
    ledger_url: str
    warehouse: Path
    source_rows: dict[str, int]
    outputs: list[Path]
    lease: float
    settle: float
    hidden: float


@dataclass(slots=True)
class Verdict:
    """What the checker found.

    Attributes:
        violations: sentences, none when everything holds.
        doubles: sandbox leads beyond the first of a (workflow, phone).
        unaccounted: source rows without exactly one outcome.
        enrolled: leads of ours in the sandbox.
        is_void: an effect came later than the settle time, so nothing was promised.
    """

    violations: list[str]
    doubles: int = 0
    unaccounted: int = 0
    enrolled: int = 0
    is_void: bool = False


class Checker:
    """Checks one history; make a new one for every look."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._world = evidence.world
        self._found: list[str] = []
        self._engine = sa.create_engine(evidence.ledger_url, poolclass=sa.NullPool)
        self._ours = {
            workflow: [lead for lead in leads if "origin" not in lead["dynamic_variables"]]
            for workflow, leads in evidence.sandbox.items()
        }
        self._there = {
            (workflow, lead["phone_number"]): lead
            for workflow, leads in self._ours.items()
            for lead in leads
        }

    def check(self) -> Verdict:
        """Every invariant; the order is that of their weight."""
        verdict = Verdict(self._found)
        verdict.enrolled = sum(map(len, self._ours.values()))
        verdict.doubles = self._nobody_twice()
        self._enrolled_is_what_dialnexa_has()
        self._nothing_is_open()
        self._runs_are_conserved()
        self._records_follow_the_ledger()
        verdict.unaccounted = sum(
            self._row_is_unaccounted(sync, row)
            for sync in self._world.syncs
            for row in self._world.tables[sync.table]
        )
        self._listed_rows_stand_in_the_source()
        self._leases_were_respected()
        self._no_number_is_shown()
        verdict.is_void = self._an_effect_was_too_late()
        return verdict

    def _nobody_twice(self) -> int:
        doubles = 0
        for workflow, leads in self._ours.items():
            for phone, times in Counter(lead["phone_number"] for lead in leads).items():
                if times > 1:
                    doubles += times - 1
                    self._say(f"…{phone[-4:]} is enrolled {times} times in {workflow}")
        return doubles

    def _enrolled_is_what_dialnexa_has(self) -> None:
        claims = self._ledger(
            "SELECT workflow_id, '+' || phone, enrolment_ref, batch_no, seq FROM all_claims "
            "WHERE state = 'enrolled'"
        )
        there = self._there
        here = {(row[0], row[1]): row for row in claims}
        for workflow, phone in there.keys() - here.keys():
            self._say(f"…{phone[-4:]} is in {workflow} and not enrolled in the ledger")
        for workflow, phone in here.keys() - there.keys():
            self._say(f"…{phone[-4:]} is enrolled in the ledger and not in {workflow}")
        for key in here.keys() & there.keys():
            ref, *place = here[key][2:]
            lead_id = self._lead_ids.get(tuple(place))
            lead = there[key]
            if lead_id not in {None, lead["id"]}:
                self._say(f"claim {ref} has the lead id of somebody else")
            if lead["dynamic_variables"].get("enrolment_ref", ref) != ref:
                self._say(f"claim {ref} is enrolled by another claim's request")

    def _nothing_is_open(self) -> None:
        for batch, state, workflow in self._ledger(
            "SELECT batch_id, state, workflow_id FROM batches "
            "WHERE state IN ('sending', 'in_doubt')"
        ):
            if state == "in_doubt" and workflow not in self._ours:
                continue  # 404 instead of a list proves nothing
            self._say(f"batch {batch} is {state} although DialNexa is well")

    def _runs_are_conserved(self) -> None:
        counted = dict(
            self._ledger(
                "SELECT plan_id, sum(leads) FROM (SELECT plan_id, leads FROM plan_counts UNION ALL "
                "SELECT plan_id, 1 FROM all_claims) AS each_row GROUP BY plan_id"
            )
        )
        for plan, run, rows in self._ledger(
            "SELECT plan_id, run_id, source_rows FROM plans WHERE ready_at IS NOT NULL"
        ):
            outcomes = int(counted.get(plan, 0))
            wanted = self._evidence.source_rows[run]
            if not rows == outcomes == wanted:
                self._say(
                    f"plan {plan}: the source has {wanted} rows, {rows} were read, {outcomes} "
                    "have an outcome"
                )

    def _records_follow_the_ledger(self) -> None:
        self._same(
            "dialnexa_enrolments",
            "SELECT claims.sync, claims.workflow_id, claims.lead_key, '+' || claims.phone, "
            "claims.enrolment_ref, claims.batch_id, plans.run_id, plans.partition_key, "
            "claims.state, claims.batch_no, claims.seq FROM all_claims AS claims "
            "JOIN plans USING (plan_id) WHERE claims.state IN ('enrolled', 'withdrawn')",
            "SELECT sync, workflow_id, lead_key, phone, enrolment_ref, batch_id, run_id, "
            "partition_key, state, lead_id FROM dialnexa_enrolments",
            lambda row: (*row[:9], self._lead_ids.get((row[9], row[10]))),
        )
        listed = (
            "sync, workflow_id, lead_key, outcome, reason, detail, raw_phone, phone, batch_id, "
            "{}partition_key, resolved_at IS NULL"
        )
        self._same(
            "dialnexa_rejected_rows",
            f"SELECT {listed.format('rejected_rows.')} FROM rejected_rows".replace(
                "sync,", "rejected_rows.sync,"
            ),
            f"SELECT {listed.format('')} FROM dialnexa_rejected_rows",
        )
        self._same(
            "dialnexa_enrolment_counts",
            "SELECT plans.sync, plans.run_id, plans.partition_key, each_row.workflow_id, "
            "each_row.outcome, sum(each_row.leads) FROM (SELECT plan_id, workflow_id, outcome, "
            "leads FROM plan_counts UNION ALL SELECT plan_id, workflow_id, CASE state WHEN "
            "'released' THEN 'planned' WHEN 'withdrawn' THEN 'enrolled' ELSE state END, 1 "
            "FROM all_claims) AS each_row JOIN plans USING (plan_id) "
            # A plan that ended before it was ready has not seen every source row.
            "WHERE plans.ready_at IS NOT NULL GROUP BY 1, 2, 3, 4, 5",
            " UNION ALL ".join(
                f"SELECT sync, run_id, partition_key, workflow_id, '{outcome}', {outcome} "
                f"FROM dialnexa_enrolment_counts WHERE {outcome} > 0"
                for outcome in (
                    *("enrolled", "invalid", "duplicate", "suppressed", "deferred"),
                    *("rejected", "in_doubt", "planned"),
                )
            ),
        )

    def _same(
        self,
        table: str,
        ledger_sql: str,
        warehouse_sql: str,
        shown_as: Callable[[Row], Row] = lambda row: row,
    ) -> None:
        ledger = {_plain(shown_as(row)) for row in self._ledger(ledger_sql)}
        warehouse = {_plain(row) for row in self._warehouse(warehouse_sql)}
        for side, rows in (("ledger", ledger - warehouse), ("warehouse", warehouse - ledger)):
            if rows:
                shown = ", ".join(str(part) for part in min(rows, key=str)[:5])
                self._say(f"{table}: {len(rows)} rows only in the {side}, as {shown}")

    def _row_is_unaccounted(self, sync: Sync, row: SourceRow) -> bool:
        """Whether a row of the source has not exactly one outcome, or the wrong one."""
        workflow = sync.workflow or row.workflow
        place = (sync.name, workflow, str(row.key))
        outcome = self._listed.get(place)
        enrolled = (*place, row.phone) in self._enrolled
        lead_is_there = (workflow, row.phone) in self._there
        name = f"{sync.name} row {row.key} ({row.verdict}) of {workflow}"
        if row.verdict == "callable" and workflow in self._ours:
            if not lead_is_there:
                self._say(f"{name} is left out; it is listed as {outcome}")
                return True
            wrong = enrolled == (outcome == "duplicate") or outcome not in {None, "duplicate"}
        elif row.verdict != "invalid" and workflow not in self._ours:
            # There is no such workflow: DialNexa says nothing about the number, and a doubt stays.
            wrong = outcome not in {"planned", "duplicate", "in_doubt"}
        else:
            wrong = outcome != ("rejected" if row.verdict == "refused" else "invalid")
        if wrong:
            also = " and enrolled" if enrolled else ""
            self._say(f"{name} is listed as {outcome}{also}")
        return wrong

    def _listed_rows_stand_in_the_source(self) -> None:
        present = {
            (sync.name, sync.workflow or row.workflow, str(row.key))
            for sync in self._world.syncs
            for row in self._world.tables[sync.table]
        }
        for sync, workflow, key in self._listed.keys() - present:
            if self._listed[sync, workflow, key] == "in_doubt" and workflow not in self._ours:
                continue  # a doubt that nothing can settle stays, whatever the source says now
            self._say(f"{sync} row {key} of {workflow} has left the source and is still listed")

    def _leases_were_respected(self) -> None:
        for batch, sent, doubted in self._ledger(
            f"SELECT batch_id, sent_at, in_doubt_since FROM batches WHERE detail LIKE '{_STOLEN}'"
        ):
            if sent is not None and _moment(doubted) < _moment(sent) + timedelta(
                seconds=self._evidence.lease
            ):
                self._say(f"batch {batch} was taken from its sender before the lease ran out")

    def _no_number_is_shown(self) -> None:
        for path in self._evidence.outputs:
            shown = {b"".join(parts).decode() for parts in _NUMBER.findall(path.read_bytes())}
            if shown & self._world.phones.all_digits:
                self._say(f"a phone number is shown in {path.name}")

    def _an_effect_was_too_late(self) -> bool:
        doubts = {
            ref: _moment(since)
            for ref, since in self._ledger(
                "SELECT claims.enrolment_ref, batches.in_doubt_since FROM all_claims AS claims "
                "JOIN batches USING (batch_id) WHERE batches.in_doubt_since IS NOT NULL"
            )
        }
        settle = timedelta(seconds=self._evidence.settle - self._evidence.hidden)
        return any(
            _moment(lead["createdAt"]) > doubts[ref] + settle
            for leads in self._ours.values()
            for lead in leads
            if (ref := lead["dynamic_variables"].get("enrolment_ref")) in doubts
        )

    @property
    def _lead_ids(self) -> dict[tuple[Any, ...], str]:
        """(batch number, place in the plan) → lead id, as the ledger was told last."""
        if not hasattr(self, "_known_lead_ids"):
            self._known_lead_ids = {
                (batch_no, int(place)): lead_id
                for batch_no, ids in self._ledger(
                    "SELECT batch_no, ids FROM lead_ids ORDER BY answer_no"
                )
                for place, lead_id in json.loads(ids).items()
            }
        return self._known_lead_ids

    @property
    def _listed(self) -> dict[tuple[str, str, str], str]:
        if not hasattr(self, "_listed_rows"):
            self._listed_rows = {
                (row[0], row[1], row[2]): row[3]
                for row in self._warehouse(
                    "SELECT sync, workflow_id, lead_key, outcome FROM dialnexa_rejected_rows "
                    "WHERE resolved_at IS NULL"
                )
            }
        return self._listed_rows

    @property
    def _enrolled(self) -> set[Row]:
        if not hasattr(self, "_enrolled_rows"):
            self._enrolled_rows = set(
                self._warehouse(
                    "SELECT sync, workflow_id, lead_key, phone FROM dialnexa_enrolments"
                )
            )
        return self._enrolled_rows

    def _ledger(self, sql: str) -> list[Row]:
        with self._engine.connect() as connection:
            show_all_claims(connection)
            return [tuple(row) for row in connection.exec_driver_sql(sql.replace("%", "%%"))]

    def _warehouse(self, sql: str) -> list[Row]:
        path = str(self._evidence.warehouse)
        duck = self._world.warehouse == "duckdb"
        connection = duckdb.connect(path) if duck else sqlite3.connect(path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def _say(self, sentence: str) -> None:
        self._found.append(sentence)


def _plain(row: Row) -> Row:
    """Booleans as numbers: SQLite has no others."""
    return tuple(int(value) if isinstance(value, bool) else value for value in row)


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
