"""Many rows go into PostgreSQL over two connections: all of them, each once, or none."""

import contextlib
import threading
import traceback
from collections.abc import Callable, Generator
from datetime import UTC, datetime

import pyarrow as pa
import pytest
import sqlalchemy as sa

from dialnexa_pipeline.records import (
    WarehouseUnavailable,
    open_records,
    record_tables,
    require_writable,
    warehouse,
)
from dialnexa_pipeline.records.copying import Piece

TABLE = "dialnexa_enrolments"
COLUMNS = list(record_tables().tables[TABLE].columns.keys())
PIECES = 10
ROWS_OF_PIECE = 50
LOCKED_BY = (
    "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_class ON pg_class.oid = relation "
    f"WHERE relname = '{TABLE}' AND mode = 'RowExclusiveLock'"
)
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture(autouse=True)
def pieces_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse, "_CHUNK", ROWS_OF_PIECE)


@pytest.fixture
def engine(postgres_url: str) -> Generator[sa.Engine]:
    engine = sa.create_engine(postgres_url)
    with open_records(postgres_url):
        pass
    yield engine
    engine.dispose()


def leads(
    state: str = "enrolled", *, broken: str | None = None, look: Callable[[], None] | None = None
) -> Generator[pa.Table]:
    """Rows of `dialnexa_enrolments`, piece by piece.

    Args:
        broken: a key of a piece in the middle.
        look: is called while others of the pieces are being copied.
    """
    for piece in range(PIECES):
        if look is not None and piece == PIECES - 1:
            look()
        numbers = range(piece * ROWS_OF_PIECE, (piece + 1) * ROWS_OF_PIECE)
        keys = [f"{number:05}" for number in numbers]
        if broken is not None and piece == PIECES // 2:
            keys[0] = broken
        texts: dict[str, list[str] | list[None]] = {name: ["x"] * len(keys) for name in COLUMNS}
        moments = pa.repeat(pa.scalar(datetime.now(UTC), pa.timestamp("us", "UTC")), len(keys))
        texts |= {"enrolment_ref": keys, "lead_id": [None] * len(keys)}
        yield pa.table({**texts, "state": [state] * len(keys), "enrolled_at": moments})


def states(engine: sa.Engine) -> list[tuple[str, int]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.text(f"SELECT state, count(*) FROM {TABLE} GROUP BY state"))
        return [(state, count) for state, count in rows]


def number(engine: sa.Engine, question: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text(question)).scalar_one())


def test_two_connections_copy_every_row_once_and_replace_it_when_it_is_copied_again(
    engine: sa.Engine, postgres_url: str
) -> None:
    seen: list[int] = []
    for state in ("enrolled", "withdrawn"):
        with open_records(postgres_url) as records:
            made = leads(state, look=lambda: seen.append(number(engine, LOCKED_BY)))
            assert records.replace_all(TABLE, made) == PIECES * ROWS_OF_PIECE
        assert states(engine) == [(state, PIECES * ROWS_OF_PIECE)]
    assert seen == [2, 2]


def test_a_load_replaces_the_rows_that_are_there_and_adds_the_others(
    engine: sa.Engine, postgres_url: str
) -> None:
    every_other = pa.concat_tables(list(leads())[1::2])
    everything = pa.concat_tables(list(leads("withdrawn")))
    with open_records(postgres_url) as records:
        records.replace(TABLE, every_other)
    with open_records(postgres_url) as records:
        assert records.replace(TABLE, everything) == PIECES * ROWS_OF_PIECE
    assert states(engine) == [("withdrawn", PIECES * ROWS_OF_PIECE)]


def test_nothing_is_left_of_a_load_that_cannot_be_read(
    engine: sa.Engine, postgres_url: str
) -> None:
    def gone() -> None:
        raise RuntimeError("the ledger went away")

    with pytest.raises(RuntimeError, match="went away"), open_records(postgres_url) as records:
        records.replace_all(TABLE, leads(look=gone))
    assert states(engine) == []


def test_nothing_is_left_of_a_load_of_which_the_server_refuses_a_row(
    engine: sa.Engine, postgres_url: str
) -> None:
    with (
        pytest.raises(WarehouseUnavailable, match="value too long") as refused,
        open_records(postgres_url) as records,
    ):
        records.replace_all(TABLE, leads(broken="919876543210" * 30))
    assert states(engine) == []
    assert "919876543210" not in "".join(traceback.format_exception(refused.value))


def test_what_a_broken_transaction_left_behind_is_replaced_by_the_next_one(
    engine: sa.Engine, postgres_url: str
) -> None:
    with contextlib.suppress(RuntimeError), open_records(postgres_url) as records:
        records.replace_all(TABLE, leads("withdrawn"))
        raise RuntimeError("between the two commits")
    assert states(engine) != []
    with open_records(postgres_url) as records:
        records.replace_all(TABLE, leads())
    assert states(engine) == [("enrolled", PIECES * ROWS_OF_PIECE)]


def test_a_server_that_gives_one_connection_only_gets_all_rows_over_it(
    engine: sa.Engine, postgres_url: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE alone LOGIN PASSWORD 'x' CONNECTION LIMIT 1")
        connection.exec_driver_sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO alone")
    seen: list[int] = []
    alone = sa.make_url(postgres_url).set(username="alone", password="x")
    try:
        with open_records(alone.render_as_string(hide_password=False)) as records:
            records.replace_all(TABLE, leads(look=lambda: seen.append(number(engine, LOCKED_BY))))
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY alone")
            connection.exec_driver_sql("DROP ROLE alone")
    assert states(engine) == [("enrolled", PIECES * ROWS_OF_PIECE)]
    assert seen == [1]


def test_whoever_waits_for_the_table_makes_no_two_connections_wait_for_each_other(
    engine: sa.Engine, postgres_url: str
) -> None:
    def alter() -> None:
        with engine.begin() as connection:
            # It waits for one second; gives up if the two waited for each other through it.
            connection.exec_driver_sql("SET LOCAL lock_timeout = '20s'")
            connection.exec_driver_sql(f"ALTER TABLE {TABLE} ADD COLUMN mine text")

    altering = threading.Thread(target=alter)
    with open_records(postgres_url) as records:
        records.replace(TABLE, next(leads()))
        altering.start()
        while not number(engine, WAITING):
            assert altering.is_alive()
        records.replace_all(TABLE, leads())
    altering.join()
    assert states(engine) == [("enrolled", PIECES * ROWS_OF_PIECE)]
    assert "mine" in {each["name"] for each in sa.inspect(engine).get_columns(TABLE)}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("+919876543210", "time zone displacement out of range: '…'"),
        ("priya@example.com", "invalid input syntax for type date: '…'"),
    ],
)
def test_a_value_that_the_server_quotes_in_its_first_line_is_not_repeated(
    engine: sa.Engine, postgres_url: str, value: str, expected: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"ALTER TABLE {TABLE} ALTER COLUMN phone TYPE date USING phone::date"
        )
    row = next(leads()).slice(0, 1)
    row = row.set_column(row.column_names.index("phone"), "phone", pa.array([value]))
    with pytest.raises(WarehouseUnavailable) as refused, open_records(postgres_url) as records:
        records.replace(TABLE, row)
    assert f"does not take the records: {expected}. The ledger" in str(refused.value)


@pytest.mark.parametrize("rows_of_piece", [1, 7, 50, 120, 500])
def test_tables_of_any_size_are_written_whole(
    engine: sa.Engine, postgres_url: str, rows_of_piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse, "_CHUNK", rows_of_piece)
    with open_records(postgres_url) as records:
        assert records.replace_all(TABLE, leads()) == PIECES * ROWS_OF_PIECE
    assert states(engine) == [("enrolled", PIECES * ROWS_OF_PIECE)]
    keys = f"SELECT count(DISTINCT enrolment_ref) FROM {TABLE}"
    assert number(engine, keys) == PIECES * ROWS_OF_PIECE


def test_a_chunk_without_rows_adds_nothing_to_the_lines() -> None:
    keys = pa.chunked_array([pa.array([], pa.string()), pa.array(["a", "b"])])
    rows = pa.table({"key": keys, "text": ["1", None]})
    assert Piece.of(rows).lines == b'"a","1"\n"b",\n'


def test_a_role_that_may_not_write_is_noticed_before_there_is_a_row(
    engine: sa.Engine, postgres_url: str
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE reader LOGIN")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reader = sa.make_url(postgres_url).set(username="reader").render_as_string(hide_password=False)
    try:
        with pytest.raises(WarehouseUnavailable, match="permission denied for table"):
            require_writable(reader)
        require_writable(postgres_url)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY reader")
            connection.exec_driver_sql("DROP ROLE reader")
