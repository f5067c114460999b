"""Chunks that are claimed in one transaction give every lead what single chunks give it."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from dialnexa_pipeline.enrolment import BatchLimits, number_ranges, plan_leads, planning
from dialnexa_pipeline.enrolment.staged_file import repeating_columns, writing_staged_file
from dialnexa_pipeline.leads import ScreeningConfig, screen
from dialnexa_pipeline.ledger import Candidates, Ledger, Plan, Plans
from dialnexa_pipeline.phones import PHONE_TYPES
from dialnexa_pipeline.store import Store

LEADS = 400
# A number comes back after 100 leads: in the next chunk of 64, and in one of a later transaction.
PEOPLE = 100
SCREENING = ScreeningConfig(
    key="id",
    phone="mobile",
    country=None,
    default_country="IN",
    workflow=None,
    workflow_column="workflow_id",
    variables={},
    required_variables=(),
    phone_types=frozenset(PHONE_TYPES),
)


def stage(store: Store) -> None:
    people = [number % PEOPLE for number in range(LEADS)]
    leads = pa.RecordBatch.from_pydict(
        {
            "id": [str(number) for number in range(LEADS)],
            "mobile": [
                "1" if not number % 17 else f"98765{person:05d}"
                for number, person in enumerate(people)
            ],
            "workflow_id": [f"wf_{person % 3}" for person in people],
        }
    )
    path = Path(store.shown) / "staged.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(screen(leads, SCREENING), path)


def staged(folder: Path) -> tuple[Store, Path, pa.Table]:
    """A store, its staged file, and the leads that lie in it."""
    store = Store(str(folder / "store"))
    stage(store)
    path = Path(store.shown) / "staged.parquet"
    return store, path, pq.read_table(path)


def planned(
    url: str, store: Store, *, dedupe: timedelta | None = None
) -> tuple[Mapping[str, int], list[str], list[str]]:
    """Outcomes; lines of all files without their refs, sorted; keys of leads that were refused."""
    with Ledger(url) as ledger:
        plan = ledger.plans.begin(sync="loans", partition_key="", run_id="run")
        limits = BatchLimits("csv", 20, 9_000_000, "enrolment_ref")
        plan_leads(plan, "staged.parquet", ledger=ledger, store=store, limits=limits, dedupe=dedupe)
        batches = ledger.batches.of_plan(plan.plan_id)
        lines: list[str] = []
        for batch in batches:
            content = store.read(batch.file_path or "").decode().splitlines()[1:]
            rows = ledger.batches.rows_of(batch.batch_id)
            assert [line.split(",") for line in content] == [
                list(pair) for pair in zip(rows.phones, rows.refs, strict=True)
            ]
            assert len(content) == batch.row_count
            lines += [line.split(",")[0] for line in content]
        refused = [row.lead_key for row in ledger.accounts.rejected_sample(plan, LEADS)]
        return ledger.accounts.of_plan(plan.plan_id).by_outcome(), sorted(lines), sorted(refused)


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_chunks_claimed_together_are_planned_as_one_by_one(
    dialect: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(str(tmp_path / "store"))
    stage(store)
    monkeypatch.setattr(planning, "_CHUNK_ROWS", 64)
    one_by_one = planned(f"sqlite:///{tmp_path / 'one-by-one.db'}", store)
    monkeypatch.setattr(planning, "_MANY_ROWS", 0)
    assert planned(request.getfixturevalue(f"{dialect}_ledger_url"), store) == one_by_one
    outcomes, phones, _ = one_by_one
    assert sum(outcomes.values()) == LEADS
    assert len(phones) == len(set(phones)) == outcomes["planned"] == PEOPLE


def test_leads_that_lie_by_their_numbers_are_planned_as_in_the_source_s_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_CHUNK_ROWS", 64)
    store = Store(str(tmp_path / "store"))
    stage(store)
    in_order = planned(f"sqlite:///{tmp_path / 'in-order.db'}", store)
    monkeypatch.setattr(number_ranges, "_FIRST_ROWS", 50)
    monkeypatch.setattr(number_ranges, "_SORTED_ROWS", 120)
    path = Path(store.shown) / "staged.parquet"
    leads = pq.read_table(path)
    with writing_staged_file(path, lambda schema: schema, in_order=False) as add:
        for first in range(0, LEADS, 30):
            add(leads.slice(first, 30))
    assert pq.read_table(path)["lead_key"].to_pylist() != leads["lead_key"].to_pylist()
    assert planned(f"sqlite:///{tmp_path / 'by-number.db'}", store) == in_order


@pytest.mark.parametrize("callable_leads", [0, LEADS // 2])
def test_with_a_dedupe_duration_chunks_may_be_without_anybody_to_call(
    callable_leads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_CHUNK_ROWS", 64)
    store, path, leads = staged(tmp_path)
    refused = pa.array([row >= callable_leads for row in range(LEADS)])
    for name, value in (("outcome", "invalid"), ("reason", "invalid/too_short")):
        changed = pc.if_else(refused, value, leads[name])
        leads = leads.set_column(leads.column_names.index(name), name, changed)
    pq.write_table(leads, path)
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    outcomes, phones, _ = planned(ledger, store, dedupe=timedelta(hours=1))
    assert len(phones) == outcomes.get("planned", 0) == min(callable_leads, PEOPLE)
    assert outcomes["invalid"] >= LEADS - callable_leads


def test_a_number_in_two_chunks_is_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the planner is ahead of the claims, and cannot see them in the ledger yet."""
    monkeypatch.setattr(planning, "_CHUNK_ROWS", 64)
    claim = Plans.claim
    asked: list[tuple[str, int]] = []

    def noted(
        self: Plans, plan: Plan, candidates: Sequence[Candidates], **options: Any
    ) -> set[int]:
        for each in candidates:
            asked.extend((each.workflow_id, phone) for phone in each.phones.to_pylist())
        return claim(self, plan, candidates, **options)

    monkeypatch.setattr(Plans, "claim", noted)
    store = Store(str(tmp_path / "store"))
    stage(store)
    planned(f"sqlite:///{tmp_path / 'ledger.db'}", store)
    assert len(asked) == len(set(asked)) == PEOPLE


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_variables_reach_the_files_whether_or_not_their_texts_repeat(
    file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_CHUNK_ROWS", 64)
    store, path, leads = staged(tmp_path)
    few = [None, "", "a", 'said "no", and\nleft', "ü"]
    variables = {
        "var:few": [few[row % len(few)] for row in range(LEADS)],
        # At first a text repeats, then none does.
        "var:later": ["the same" if row < 80 else f"text {row}" for row in range(LEADS)],
        "var:all": [f"{row}" for row in range(LEADS)],
    }
    for name, texts in variables.items():
        leads = leads.append_column(name, pa.array(texts, pa.string()))
    with writing_staged_file(path, lambda schema: schema) as add:
        for first in range(0, LEADS, 80):
            add(leads.slice(first, 80))
    assert {"var:few", "var:later"} == {
        name for name in repeating_columns(path) if name.startswith("var:")
    }
    sent: list[tuple[str, ...]] = []
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        plan = ledger.plans.begin(sync="loans", partition_key="", run_id="run")
        limits = BatchLimits(file_format, 20, 9_000_000, None)
        plan_leads(plan, "staged.parquet", ledger=ledger, store=store, limits=limits, dedupe=None)
        for batch in ledger.batches.of_plan(plan.plan_id):
            sent += rows_of(store.read(batch.file_path or ""), file_format)
    wanted = {row: tuple(variables[name][row] or "" for name in variables) for row in range(LEADS)}
    assert len(sent) == PEOPLE
    assert all(row[1:] == wanted[int(row[3])] for row in sent)


def rows_of(content: bytes, file_format: str) -> list[tuple[str, ...]]:
    """The rows of a batch file, an empty cell as an empty text."""
    if file_format == "csv":
        return [tuple(row) for row in csv.reader(io.StringIO(content.decode(), newline=""))][1:]
    cells = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    return [tuple(str(cell) for cell in row) for row in cells][1:]
