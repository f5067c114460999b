"""The sandbox's memory: workflows and leads in a SQLite file, so that a restart keeps them."""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
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
CREATE INDEX IF NOT EXISTS leads_by_workflow ON leads (workflow_id, number);
"""
_SEEDS = {
    "wf_home_loans": "Home loans",
    "wf_credit_cards": "Credit cards",
    "wf_insurance": "Insurance",
    "wf_reactivation": "Reactivation",
}
_READ_ROWS = 1_000


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
        self._database.executescript(_SCHEMA)
        for workflow_id, title in _SEEDS.items():
            self.add_workflow(workflow_id, title, "active")

    def add_workflow(self, workflow_id: str, title: str, status: str) -> None:
        """Add a workflow; one that exists stays as it is."""
        now = _now()
        with self._lock:
            self._database.execute(
                "INSERT OR IGNORE INTO workflows VALUES (?, ?, ?, ?, ?)",
                (workflow_id, title, status, now, now),
            )

    def workflow(self, workflow_id: str) -> SandboxWorkflow | None:
        with self._lock:
            row = self._database.execute(
                "SELECT * FROM workflows WHERE id = ?", (workflow_id,)
            ).fetchone()
        return SandboxWorkflow(*row) if row else None

    def workflows(self) -> list[SandboxWorkflow]:
        with self._lock:
            rows = self._database.execute("SELECT * FROM workflows ORDER BY created_at, id")
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
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(
                "INSERT INTO leads (id, workflow_id, phone_number, variables, status, created_at, "
                "visible_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
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
                ],
            )
            self._database.execute("COMMIT")
        return leads

    def leads(self, workflow_id: str, *, hidden_too: bool = False) -> Iterator[SandboxLead]:
        """Leads of a workflow in order of enrolment, read in pieces."""
        last = 0
        until = float("inf") if hidden_too else time.time()
        while True:
            with self._lock:
                rows = self._database.execute(
                    "SELECT number, id, workflow_id, phone_number, variables, status, created_at "
                    "FROM leads WHERE workflow_id = ? AND number > ? AND visible_at <= ? "
                    "ORDER BY number LIMIT ?",
                    (workflow_id, last, until, _READ_ROWS),
                ).fetchall()
            for row in rows:
                yield SandboxLead(row[1], row[2], row[3], json.loads(row[4]), row[5], row[6])
            if len(rows) < _READ_ROWS:
                return
            last = rows[-1][0]

    def lead(self, workflow_id: str, lead_id: str) -> SandboxLead | None:
        with self._lock:
            row = self._database.execute(
                "SELECT id, workflow_id, phone_number, variables, status, created_at FROM leads "
                "WHERE workflow_id = ? AND id = ?",
                (workflow_id, lead_id),
            ).fetchone()
        return SandboxLead(row[0], row[1], row[2], json.loads(row[3]), *row[4:]) if row else None

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

    def forget_leads(self) -> None:
        """Back to the beginning: no leads."""
        with self._lock:
            self._database.execute("DELETE FROM leads")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
