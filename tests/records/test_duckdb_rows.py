"""Many rows go into DuckDB in one transaction after another: all of them, each once."""

from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from dialnexa_pipeline.records import (
    WarehouseUnavailable,
    open_records,
    record_tables,
    warehouse,
)
from dialnexa_pipeline.records.duckdb_rows import LOADED_ROWS

TABLE = "dialnexa_enrolments"
COLUMNS = list(record_tables().tables[TABLE].columns.keys())
ROWS_OF_PIECE = 50
ROWS = 5 * ROWS_OF_PIECE + 7


@pytest.fixture(autouse=True)
def pieces_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse, "LOADED_ROWS", ROWS_OF_PIECE)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"duckdb:///{tmp_path / 'warehouse.duckdb'}"


@pytest.fixture
def engine(url: str) -> Generator[sa.Engine]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with open_records(url):
        pass
    yield engine
    engine.dispose()


def rows(first: int, last: int, state: str, sync: str = "x") -> pa.Table:
    """Rows of `dialnexa_enrolments`; only the enrolled ones have an id."""
    keys = [f"{number:05}" for number in range(first, last)]
    texts: dict[str, list[str | None]] = {name: ["x"] * len(keys) for name in COLUMNS}
    texts |= {"enrolment_ref": [*keys], "state": [state] * len(keys), "sync": [sync] * len(keys)}
    texts["lead_id"] = [*keys] if state == "enrolled" else [None] * len(keys)
    moments = pa.repeat(pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")), len(keys))
    return pa.table({**texts, "enrolled_at": moments})


def leads(state: str = "enrolled", *, breaks_off_at: int = ROWS) -> Generator[pa.Table]:
    """All rows in tables of ten, until whoever reads them breaks off."""
    for first in range(0, ROWS, 10):
        if first >= breaks_off_at:
            raise RuntimeError("the ledger went away")
        yield rows(first, min(first + 10, ROWS), state)


def states(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(f"SELECT state, count(*) AS leads FROM {TABLE} GROUP BY state")
        )
        return {row.state: row.leads for row in rows}


def test_rows_are_written_once_and_replaced_when_they_come_again(
    engine: sa.Engine, url: str
) -> None:
    for state in ("enrolled", "withdrawn"):
        with open_records(url) as records:
            assert records.replace_all(TABLE, leads(state)) == ROWS
        assert states(engine) == {state: ROWS}


def test_of_rows_that_are_there_in_part_those_are_changed_and_the_others_added(
    engine: sa.Engine, url: str
) -> None:
    with open_records(url) as records:
        # The first piece is there, and of the second a part.
        records.add(TABLE, rows(0, ROWS_OF_PIECE + 7, "enrolled"))
        records.add(TABLE, rows(ROWS, ROWS + 1, "enrolled"))
    with open_records(url) as records:
        assert records.replace_all(TABLE, leads("withdrawn")) == ROWS
    assert states(engine) == {"withdrawn": ROWS, "enrolled": 1}
    with engine.connect() as connection:
        question = f"SELECT enrolment_ref FROM {TABLE} WHERE lead_id IS NOT NULL"
        assert connection.execute(sa.text(question)).scalars().all() == [f"{ROWS:05}"]


@pytest.mark.parametrize("rows_before", [0, ROWS_OF_PIECE + 7])
def test_a_table_made_again_has_no_other_rows_of_the_sync(
    engine: sa.Engine, url: str, rows_before: int
) -> None:
    with open_records(url) as records:
        records.add(TABLE, rows(ROWS, ROWS + rows_before, "gone"))
        records.add(TABLE, rows(0, rows_before, "enrolled"))
        records.add(TABLE, rows(2 * ROWS, 2 * ROWS + 3, "enrolled", sync="another"))
    with open_records(url) as records:
        written = list(records.remake(TABLE, "x", leads("withdrawn")))
    assert written == [*range(ROWS_OF_PIECE, ROWS, ROWS_OF_PIECE), ROWS]
    assert states(engine) == {"withdrawn": ROWS, "enrolled": 3}


def test_rows_that_fill_row_groups_are_found_again(
    engine: sa.Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "LOADED_ROWS", LOADED_ROWS)
    number = 2 * LOADED_ROWS + 1_000
    all_rows = rows(0, number, "enrolled")
    with open_records(url) as records:
        assert records.replace_all(TABLE, (table for table in [all_rows])) == number
        records.add(TABLE, rows(number, number + 1, "gone"))
    with open_records(url) as records:
        changed = rows(number - 5, number + 5, "withdrawn")
        assert records.replace_all(TABLE, (table for table in [changed])) == 10
    assert states(engine) == {"enrolled": number - 5, "withdrawn": 10}
    for _ in range(2):
        with open_records(url) as records:
            *_, written = records.remake(TABLE, "x", [all_rows])
            assert written == number
        assert states(engine) == {"enrolled": number}


def test_a_load_that_breaks_off_leaves_whole_pieces_and_the_next_one_all_rows(
    engine: sa.Engine, url: str
) -> None:
    with pytest.raises(RuntimeError, match="the ledger went away"), open_records(url) as records:
        records.replace_all(TABLE, leads(breaks_off_at=3 * ROWS_OF_PIECE + 20))
    # The third was written, and not committed, when the next one could not be made.
    assert states(engine) == {"enrolled": 2 * ROWS_OF_PIECE}
    with open_records(url) as records:
        assert records.replace_all(TABLE, leads("withdrawn")) == ROWS
    assert states(engine) == {"withdrawn": ROWS}


def test_a_table_that_lacks_a_column_is_named_in_one_sentence(engine: sa.Engine, url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {TABLE} DROP COLUMN batch_id")
    with (
        pytest.raises(WarehouseUnavailable, match=r"does not have a column .*batch_id"),
        open_records(url) as records,
    ):
        records.replace_all(TABLE, leads())


def test_a_load_goes_on_while_the_process_writes_to_the_file_elsewhere(
    engine: sa.Engine, url: str
) -> None:
    with engine.connect() as beside:
        beside.exec_driver_sql("CREATE TABLE theirs (number INTEGER)")
        beside.commit()
        beside.exec_driver_sql("INSERT INTO theirs VALUES (1)")
        with open_records(url) as records:
            assert records.replace_all(TABLE, leads()) == ROWS
        beside.commit()
        assert beside.exec_driver_sql("SELECT count(*) FROM theirs").scalar_one() == 1
    assert states(engine) == {"enrolled": ROWS}
