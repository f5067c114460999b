"""Planned batches on disk, and a real server to send them to."""

import socket
import sqlite3
import threading
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.enrolment import SendReport, send_plan
from dialnexa_pipeline.leads import render_csv
from dialnexa_pipeline.ledger import Candidates, Ledger, Plan, enrolment_ref
from dialnexa_pipeline.sandbox import SandboxServer
from dialnexa_pipeline.store import Store
from tests.api.conftest import ScriptedServer

WORKFLOW = "wf_home_loans"


@dataclass
class Desk:
    """A ledger and a store; plans batches, sends them and tells what became of every row."""

    ledger_url: str
    folder: Path
    ledger: Ledger
    store: Store
    notes: list[str] = field(default_factory=list[str])

    def plan(self, *batches: Sequence[str]) -> Plan:
        """A ready plan with one batch file for each list of phones."""
        plan = self.ledger.plans.begin(sync="loans", partition_key="", run_id="r1")
        rows = 0
        for phones in batches:
            batch_id = uuid4().hex[:16]
            texts = pa.array(phones, pa.string())
            numbers = pa.array([int(phone) for phone in phones], pa.int64())
            candidates = Candidates(batch_id, WORKFLOW, rows, texts, texts, numbers)
            self.ledger.plans.claim(plan, [candidates], ref_column="enrolment_ref")
            refs = [enrolment_ref(plan.plan_id, rows + n) for n in range(len(phones))]
            table = pa.table({"phone_number": list(phones), "enrolment_ref": refs})
            path = f"loans/batches/{batch_id}.csv"
            stored = self.store.write(path, render_csv(table))
            self.ledger.plans.batch_is_on_disk(
                batch_id,
                file_path=path,
                sha256=stored.sha256,
                file_bytes=stored.bytes,
            )
            rows += len(phones)
        self.ledger.plans.make_ready(plan, source_rows=rows, phone_metadata="9")
        return plan

    def send(self, plan: Plan, client: DialNexaClient, *, max_posts: int = 64) -> SendReport:
        with client:
            return send_plan(
                plan,
                ledger=self.ledger,
                store=self.store,
                client=client,
                run_id="r1",
                note=self.notes.append,
                max_posts=max_posts,
            )

    def let_the_lease_run_out(self) -> str:
        """What another run does to the batch of a sender that did not beat: it is in doubt."""
        with closing(sqlite3.connect(self.folder / "ledger.db")) as ledger:
            ledger.execute(
                "UPDATE batches SET lease_expires_at = '2000-01-01' WHERE state = 'sending'"
            )
            ledger.commit()
        with Ledger(self.ledger_url) as other:
            (batch_id,) = other.doubts.put_dead_senders_in_doubt()
        return batch_id

    def fates(self, plan: Plan) -> dict[str, str]:
        """Phone → state of its claim, or the reason where it is rejected or in doubt."""
        pending = self.ledger.accounts.pending("loans", "rejected_rows")
        reasons = {
            row["lead_key"]: row["reason"]
            for piece in self.ledger.accounts.rejections_changed(pending.change_ids)
            for row in piece.to_pylist()
        }
        return {
            claim.lead_key: claim.state
            if claim.state not in {"rejected", "in_doubt"}
            else reasons[claim.lead_key]
            for batch in self.ledger.batches.of_plan(plan.plan_id)
            for claim in self.ledger.batches.claims_of(batch.batch_id)
        }


def good(numbers: Iterable[int]) -> list[str]:
    """Phones that the sandbox enrols."""
    return [f"+9198765{number:05d}" for number in numbers]


def bad(numbers: Iterable[int]) -> list[str]:
    """Phones in a country that the sandbox has not enabled."""
    return [f"+49151234{number:05d}" for number in numbers]


def mixed(rows: int, refused: Iterable[int], *, block: int = 0) -> list[str]:
    """Phones of a file whose rows at these places are refused; each block has other numbers."""
    places = set(refused)
    return [(bad if n in places else good)([1000 * block + n])[0] for n in range(rows)]


@pytest.fixture
def ledger_url(sqlite_ledger_url: str) -> str:
    return sqlite_ledger_url


@pytest.fixture
def desk(tmp_path: Path, ledger_url: str) -> Generator[Desk]:
    with Ledger(ledger_url) as ledger:
        yield Desk(ledger_url, tmp_path, ledger, Store(str(tmp_path / "store")))


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxServer]:
    with SandboxServer(state_path=tmp_path_factory.mktemp("sandbox") / "state.db") as server:
        yield server


@pytest.fixture
def sandbox(running: SandboxServer) -> SandboxServer:
    running.control("POST", "reset")
    return running


@pytest.fixture
def client(sandbox: SandboxServer) -> DialNexaClient:
    """A client of the sandbox; `Desk.send` closes it."""
    return DialNexaClient(sandbox.base_url, sandbox.api_key)


@pytest.fixture
def server() -> Generator[ScriptedServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scripted = ScriptedServer(port=listener.getsockname()[1])
        threading.Thread(target=scripted.serve, args=(listener,), daemon=True).start()
        yield scripted
