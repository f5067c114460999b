"""How far enrolled leads have come: listings held against ledger and warehouse, changes written.

All sides meet in a database on disk, so memory does not grow with a list.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from dialnexa_pipeline.duckdb_arrow import QUIET
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.ledger import Batch, Ledger
from dialnexa_pipeline.records.tables import record_tables
from dialnexa_pipeline.records.warehouse import arrow_of, open_records

NOT_LISTED = "not_listed"
_TABLE = "dialnexa_lead_progress"
_MEMORY = "256MB"
_PIECE = 20_000
_SIDES = """
SET TimeZone = 'UTC';
CREATE TABLE workflows (workflow_id VARCHAR PRIMARY KEY, began TIMESTAMPTZ);
CREATE TABLE listed (workflow_id VARCHAR, lead_id VARCHAR, phone VARCHAR, ref VARCHAR,
    echoes BOOLEAN, status VARCHAR, created_at TIMESTAMPTZ);
CREATE TABLE batches (batch_id VARCHAR, has_ref BOOLEAN, sent_at TIMESTAMPTZ);
CREATE TABLE claims (workflow_id VARCHAR, lead_key VARCHAR, phone VARCHAR, lead_id VARCHAR,
    enrolment_ref VARCHAR, batch_id VARCHAR, state VARCHAR, enrolled_at TIMESTAMPTZ);
"""
# A lead is ours by its correlation value; without one by its id; and by its number only where the
# list could not have shown the value (docs/design.md). A lead is one claim's, a claim has one lead.
_MATCH = """
CREATE TABLE leads AS
SELECT workflow_id, lead_id, max(phone) AS phone, max(ref) AS ref, bool_or(echoes) AS echoes,
    coalesce(nullif(lower(left(last(status), 64)), ''), 'unknown') AS status,
    max(created_at) AS created_at
FROM listed GROUP BY workflow_id, lead_id;
CREATE TABLE matched AS
WITH candidates AS (
    SELECT l.workflow_id, l.lead_id, l.status, l.created_at, c.lead_key, c.enrolment_ref,
        c.enrolled_at, 0 AS how
    FROM leads l JOIN claims c ON c.workflow_id = l.workflow_id AND c.enrolment_ref = l.ref
    UNION ALL
    SELECT l.workflow_id, l.lead_id, l.status, l.created_at, c.lead_key, c.enrolment_ref,
        c.enrolled_at, 1
    FROM leads l JOIN claims c ON c.workflow_id = l.workflow_id AND c.lead_id = l.lead_id
    WHERE l.ref = ''
    UNION ALL
    SELECT l.workflow_id, l.lead_id, l.status, l.created_at, c.lead_key, c.enrolment_ref,
        c.enrolled_at, 2
    FROM leads l JOIN claims c ON c.workflow_id = l.workflow_id AND c.phone = l.phone
    JOIN batches b ON b.batch_id = c.batch_id
    WHERE l.ref = '' AND NOT (b.has_ref AND l.echoes)
        AND coalesce(l.created_at >= b.sent_at - INTERVAL 5 MINUTE, true)
), of_leads AS (
    SELECT * FROM candidates
    QUALIFY row_number() OVER (
        PARTITION BY workflow_id, lead_id ORDER BY how, enrolled_at DESC, enrolment_ref) = 1
)
SELECT * FROM of_leads
QUALIFY row_number() OVER (
    PARTITION BY enrolment_ref ORDER BY how, created_at NULLS LAST, lead_id) = 1;
"""
# What another run observed later than this listing began is newer than it.
_CHANGES = f"""
CREATE TABLE changed AS
SELECT m.workflow_id, m.lead_key, m.lead_id, m.enrolment_ref,
    coalesce(n.change_no, 0) + 1 AS change_no, m.status, m.created_at AS lead_created_at,
    coalesce(n.first_seen_at, w.began) AS first_seen_at, w.began AS observed_at
FROM matched m JOIN workflows w USING (workflow_id)
LEFT JOIN newest n ON n.enrolment_ref = m.enrolment_ref
WHERE n.enrolment_ref IS NULL OR (n.status <> m.status AND n.observed_at < w.began)
UNION ALL
SELECT n.workflow_id, n.lead_key, n.lead_id, n.enrolment_ref, n.change_no + 1, '{NOT_LISTED}',
    n.lead_created_at, n.first_seen_at, w.began
FROM newest n JOIN workflows w USING (workflow_id)
WHERE n.status <> '{NOT_LISTED}' AND n.observed_at < w.began
    AND n.enrolment_ref NOT IN (SELECT enrolment_ref FROM matched);
"""


@dataclass(frozen=True, slots=True)
class WorkflowProgress:
    """What one listing of a workflow said of the leads of a sync.

    Attributes:
        statuses: status → the sync's leads that the list shows in it.
        changes: rows written: leads seen for the first time, or in another status than before.
        unlisted: leads enrolled by the ledger that the list does not show.
        of_others: listed leads that this sync did not enrol; nothing is written of them.
    """

    workflow_id: str
    statuses: dict[str, int]
    changes: int
    unlisted: int
    of_others: int


class ProgressRecorder:
    """Takes listings of a sync's workflows, then writes what changed; a context manager."""

    def __init__(self, ledger: Ledger, sync: str) -> None:
        self._ledger = ledger
        self._sync = sync
        self._folder = tempfile.TemporaryDirectory()
        self._database = duckdb.connect(str(Path(self._folder.name) / "progress.duckdb"))
        self._database.execute(QUIET)
        self._database.execute(f"SET memory_limit = '{_MEMORY}'")
        self._database.execute(_SIDES)

    def __enter__(self) -> "ProgressRecorder":
        return self

    def __exit__(self, *_error: object) -> None:
        self._database.close()
        self._folder.cleanup()

    def add(self, workflow_id: str, pieces: Iterator[pa.Table]) -> None:
        """Take one whole listing; when it breaks off, nothing of it is kept.

        Args:
            pieces: as `enrolment.observe_workflow` gives them.
        """
        began = self._ledger.doubts.clock()
        self._database.execute("BEGIN")
        try:
            for piece in pieces:
                self._insert("listed", piece)
            self._database.execute("INSERT INTO workflows VALUES (?, ?)", [workflow_id, began])
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def write(self, warehouse_url: str, run_id: str) -> list[WorkflowProgress]:
        """Write every change of status in one transaction; interrupted anywhere, list again.

        Raises:
            WarehouseUnavailable: the warehouse does not take the rows.
        """
        # Read after the listings, so that whoever is listed is known.
        self._take_claims()
        self._database.execute(_MATCH)
        reach("progress.listed")
        with open_records(warehouse_url) as records:
            table = record_tables().tables[_TABLE]
            self._database.register("incoming", arrow_of(table, []))
            self._database.execute("CREATE TABLE newest AS FROM incoming")
            for rows in records.read_newest_progress(self._sync):
                self._insert("newest", rows)
            self._database.execute(_CHANGES)
            for piece in self._pieces("SELECT * FROM changed ORDER BY enrolment_ref"):
                records.add(_TABLE, self._signed(piece, run_id))
        reach("progress.written")
        return self._summaries()

    def _take_claims(self) -> None:
        sent: Sequence[Batch] = self._ledger.accounts.sent_batches(self._sync)
        self._insert(
            "batches",
            pa.table(
                {
                    "batch_id": pa.array([batch.batch_id for batch in sent], pa.string()),
                    "has_ref": pa.array([bool(batch.ref_column) for batch in sent], pa.bool_()),
                    "sent_at": pa.array([b.sent_at for b in sent], pa.timestamp("us", tz="UTC")),
                }
            ),
        )
        for piece in self._ledger.accounts.all_enrolments(self._sync):
            self._insert("claims", piece.drop_columns(["sync", "run_id", "partition_key"]))

    def _insert(self, table: str, rows: pa.Table) -> None:
        self._database.register("incoming", rows)
        self._database.execute(f"INSERT INTO {table} BY NAME FROM incoming")
        self._database.unregister("incoming")

    def _pieces(self, select: str) -> Iterator[pa.Table]:
        reader: pa.RecordBatchReader = self._database.sql(select).to_arrow_reader(_PIECE)
        while (batch := next(reader, None)) is not None:
            yield pa.Table.from_batches([batch])

    def _signed(self, changes: pa.Table, run_id: str) -> pa.Table:
        named = changes.append_column("sync", pa.repeat(self._sync, changes.num_rows))
        return named.append_column("run_id", pa.repeat(run_id, changes.num_rows))

    def _summaries(self) -> list[WorkflowProgress]:
        statuses: dict[str, dict[str, int]] = {}
        for workflow_id, status, leads in self._rows(
            "SELECT workflow_id, status, count(*) FROM matched GROUP BY ALL ORDER BY ALL"
        ):
            statuses.setdefault(workflow_id, {})[status] = leads
        counted = self._rows(
            "SELECT workflow_id, "
            "(SELECT count(*) FROM changed c WHERE c.workflow_id = w.workflow_id), "
            "(SELECT count(*) FROM claims c WHERE c.workflow_id = w.workflow_id "
            "AND state = 'enrolled' "
            "AND enrolment_ref NOT IN (SELECT enrolment_ref FROM matched)), "
            "(SELECT count(*) FROM leads l WHERE l.workflow_id = w.workflow_id) "
            "- (SELECT count(*) FROM matched m WHERE m.workflow_id = w.workflow_id) "
            "FROM workflows w ORDER BY workflow_id"
        )
        return [
            WorkflowProgress(workflow_id, statuses.get(workflow_id, {}), changes, unlisted, others)
            for workflow_id, changes, unlisted, others in counted
        ]

    def _rows(self, select: str) -> list[tuple[Any, ...]]:
        return self._database.execute(select).fetchall()
