"""The sandbox's memory: workflows and leads in a SQLite file, so that a restart keeps them."""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS workflows (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, status TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS leads (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workflow_id TEXT NOT NULL,
    phone_number TEXT NOT NULL, variables TEXT NOT NULL, status TEXT NOT NULL,
    created_at TEXT NOT NULL, visible_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS foreign_workflows (id TEXT PRIMARY KEY);
CREATE INDEX IF NOT EXISTS leads_by_workflow ON leads (workflow_id, number);
"""
_SEEDS = {
    "wf_home_loans": "Home loans",
    "wf_credit_cards": "Credit cards",
    "wf_insurance": "Insurance",
    "wf_reactivation": "Reactivation",
}
STATUSES = ("draft", "active", "paused", "completed", "cancelled")
_READ_ROWS = 1_000
# What becomes of a lead in the end depends on its number alone, so that a demo tells the same.
_END = (
    "CASE WHEN number % 10 < 7 THEN 'completed' WHEN number % 10 < 9 THEN 'failed' "
    "ELSE 'dropped' END"
)
_OF_ACTIVE = "workflow_id IN (SELECT id FROM workflows WHERE status = 'active')"
_LEAD = "id, phone_number, variables, status, created_at"


@dataclass(frozen=True, slots=True)
class SandboxWorkflow:
    """A workflow as the sandbox keeps it."""

    id: str
    title: str
    status: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class SandboxLead:
    """A lead as the sandbox keeps it."""

    id: str
    workflow_id: str
    phone_number: str
    variables: Mapping[str, str]
    status: str
    created_at: str


class State:
    """One SQLite file; every call is its own transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)
        self._seed()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _seed(self) -> None:
        now = _now()
        self._database.executemany(
            "INSERT OR IGNORE INTO workflows VALUES (?, ?, 'active', ?, ?)",
            [(workflow_id, title, now, now) for workflow_id, title in _SEEDS.items()],
        )

    def put_workflow(self, workflow_id: str, title: str, status: str, *, ours: bool = True) -> None:
        """Add a workflow, or change one; one that is not `ours` belongs to another workspace."""
        now = _now()
        with self._lock:
            self._database.execute(
                "INSERT INTO workflows VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                "title = excluded.title, status = excluded.status, "
                "updated_at = excluded.updated_at",
                (workflow_id, title, status, now, now),
            )
            self._database.execute("DELETE FROM foreign_workflows WHERE id = ?", (workflow_id,))
            if not ours:
                self._database.execute("INSERT INTO foreign_workflows VALUES (?)", (workflow_id,))

    def is_foreign(self, workflow_id: str) -> bool:
        """Whether a workflow belongs to another workspace."""
        with self._lock:
            found = self._database.execute(
                "SELECT 1 FROM foreign_workflows WHERE id = ?", (workflow_id,)
            ).fetchone()
        return found is not None

    def workflow(self, workflow_id: str) -> SandboxWorkflow | None:
        with self._lock:
            row = self._database.execute(
                "SELECT * FROM workflows WHERE id = ?", (workflow_id,)
            ).fetchone()
        return SandboxWorkflow(*row) if row else None

    def workflows(self) -> list[SandboxWorkflow]:
        """The workspace's own workflows, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT * FROM workflows WHERE id NOT IN (SELECT id FROM foreign_workflows) "
                "ORDER BY created_at, id"
            )
            return [SandboxWorkflow(*row) for row in rows]

    def set_status(self, workflow_id: str, status: str) -> None:
        with self._lock:
            self._database.execute(
                "UPDATE workflows SET status = ?, updated_at = ? WHERE id = ?",
                (status, _now(), workflow_id),
            )

    def enrol(
        self,
        workflow_id: str,
        rows: Sequence[tuple[str, Mapping[str, str]]],
        *,
        hidden_for: float = 0.0,
    ) -> list[SandboxLead]:
        """Enrol every row; the same number twice is two leads, as DialNexa documents no dedupe."""
        now = _now()
        visible = time.time() + hidden_for
        leads = [
            SandboxLead(f"lead_{secrets.token_hex(8)}", workflow_id, phone, fields, "pending", now)
            for phone, fields in rows
        ]
        values = [
            (
                lead.id,
                workflow_id,
                lead.phone_number,
                json.dumps(dict(lead.variables), ensure_ascii=False),
                lead.status,
                now,
                visible,
            )
            for lead in leads
        ]
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT INTO leads (id, workflow_id, phone_number, variables, status, "
                    "created_at, visible_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    values,
                )
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        return leads

    def lead_documents(
        self, workflow_id: str, *, ids: Collection[str] = (), hidden_too: bool = False
    ) -> Iterator[list[str]]:
        """Leads of a workflow as JSON texts in order of enrolment, a thousand at a time.

        Args:
            ids: only these leads; all of them when empty.
            hidden_too: also those that lists do not show yet.
        """
        last = 0
        until = float("inf") if hidden_too else time.time()
        chosen = "AND id IN (SELECT value FROM json_each(?)) " if ids else ""
        wanted = (json.dumps(list(ids)),) if ids else ()
        while True:
            with self._lock:
                rows = self._database.execute(
                    f"SELECT number, {_LEAD} FROM leads WHERE workflow_id = ? AND number > ? "
                    f"AND visible_at <= ? {chosen}ORDER BY number LIMIT ?",
                    (workflow_id, last, until, *wanted, _READ_ROWS),
                ).fetchall()
            if rows:
                yield [_document(*row[1:]) for row in rows]
            if len(rows) < _READ_ROWS:
                return
            last = rows[-1][0]

    def lead_page(
        self, workflow_id: str, *, page: int, limit: int, status: str | None
    ) -> tuple[list[str], int]:
        """One page of visible leads as JSON texts, and how many there are over all pages."""
        where = "workflow_id = ?1 AND visible_at <= ?2 AND (?3 IS NULL OR status = ?3)"
        key = (workflow_id, time.time(), status)
        with self._lock:
            total = self._database.execute(f"SELECT count(*) FROM leads WHERE {where}", key)
            number: int = total.fetchone()[0]
            rows = self._database.execute(
                f"SELECT {_LEAD} FROM leads WHERE {where} ORDER BY number LIMIT ?4 OFFSET ?5",
                (*key, limit, (page - 1) * limit),
            ).fetchall()
        return [_document(*row) for row in rows], number

    def advance(self) -> int:
        """One step for each lead of an active workflow: pending, in progress, and its end.

        Returns how many leads went on.
        """
        with self._lock:
            cursor = self._database.execute(
                f"UPDATE leads SET status = iif(status = 'pending', 'in_progress', {_END}) "
                f"WHERE status IN ('pending', 'in_progress') AND {_OF_ACTIVE}"
            )
        return cursor.rowcount

    def advance_with_time(self, step_seconds: float) -> None:
        """Bring leads of active workflows to where their age puts them.

        A lead is in progress after one step, and at its end one to three steps later.
        """
        with self._lock:
            self._database.execute(
                "UPDATE leads SET status = iif(steps < 2 + number % 3, 'in_progress', "
                f"{_END}) FROM (SELECT number AS aged, (julianday('now') - "
                "julianday(created_at)) * 86400 / ? AS steps FROM leads "
                "WHERE status IN ('pending', 'in_progress')) "
                f"WHERE aged = number AND steps >= 1 AND {_OF_ACTIVE}",
                (step_seconds,),
            )

    def variable_keys(self, workflow_id: str) -> list[str]:
        """Names of the dynamic variables over a workflow's visible leads."""
        with self._lock:
            rows = self._database.execute(
                "SELECT DISTINCT field.key FROM leads, json_each(leads.variables) AS field "
                "WHERE workflow_id = ? AND visible_at <= ? ORDER BY field.key",
                (workflow_id, time.time()),
            ).fetchall()
        return [row[0] for row in rows]

    def lead(self, workflow_id: str, lead_id: str) -> SandboxLead | None:
        with self._lock:
            row = self._database.execute(
                f"SELECT {_LEAD} FROM leads WHERE workflow_id = ? AND id = ?",
                (workflow_id, lead_id),
            ).fetchone()
        if row is None:
            return None
        found, phone, variables, status, created_at = row
        return SandboxLead(found, workflow_id, phone, json.loads(variables), status, created_at)

    def delete_lead(self, workflow_id: str, lead_id: str) -> bool:
        with self._lock:
            cursor = self._database.execute(
                "DELETE FROM leads WHERE workflow_id = ? AND id = ?", (workflow_id, lead_id)
            )
        return cursor.rowcount == 1

    def counts(self) -> dict[str, int]:
        """Workflow → leads, hidden ones included."""
        with self._lock:
            rows = self._database.execute(
                "SELECT workflow_id, count(*) FROM leads GROUP BY workflow_id"
            ).fetchall()
        return dict(rows)

    def reset(self) -> None:
        """Back to the beginning: the seeded workflows, active, and no leads."""
        with self._lock:
            for table in ("leads", "workflows", "foreign_workflows"):
                self._database.execute(f"DELETE FROM {table}")
            self._seed()


def _document(lead_id: str, phone_number: str, variables: str, status: str, created_at: str) -> str:
    """A lead as JSON text; `variables` is JSON already and is put in as it is."""
    return (
        f'{{"id":"{lead_id}","phone_number":{json.dumps(phone_number)},"dynamic_variables":{variables},'
        f'"status":"{status}","createdAt":"{created_at}"}}'
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
