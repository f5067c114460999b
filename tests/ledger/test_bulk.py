"""Texts and numbers reach the databases in bulk, and come back, as they are."""

from collections.abc import Generator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.ledger.bulk import binary_rows, number_array, text_array
from dialnexa_pipeline.ledger.columnar import columns_relation
from dialnexa_pipeline.ledger.gathering import Gathering
from dialnexa_pipeline.ledger.tables import UtcDateTime
from dialnexa_pipeline.postgresql_copy import copy_from

MOMENTS = st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC))
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8)


@pytest.fixture(scope="module")
def postgres_engine(postgres: str) -> Generator[sa.Engine]:
    engine = sa.create_engine(postgres)
    yield engine
    engine.dispose()


@given(texts=TEXTS, numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8))
@settings(deadline=None)
def test_an_array_comes_back_as_it_was(
    postgres_engine: sa.Engine, texts: list[str], numbers: list[int]
) -> None:
    with postgres_engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT %s::text[], %s::bigint[]", (text_array(texts), number_array(numbers))
        ).one()
    assert list(row) == [[text.replace("\0", "\ufffd") for text in texts], numbers]


@given(rows=st.lists(st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 2), max_size=8))
@settings(deadline=None)
def test_copied_numbers_are_there_as_they_were(
    postgres_engine: sa.Engine, rows: list[tuple[int, int]]
) -> None:
    columns = list(np.array(rows, np.int64).reshape(-1, 2).T)
    with postgres_engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE copied (one bigint, two bigint)")
        copy_from(connection, "COPY copied FROM STDIN (FORMAT binary)", binary_rows(columns))
        found = connection.exec_driver_sql("SELECT one, two FROM copied").all()
    assert list(map(tuple, found)) == rows


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2**62),
            st.none() | TEXTS.map("".join),
            st.none() | st.sampled_from(["a", "b"]),
            st.none() | MOMENTS,
        ),
        max_size=8,
    )
    | st.lists(st.just((1, None, "a", datetime(2026, 3, 1, tzinfo=UTC))), max_size=3),
    alike=st.sets(st.sampled_from(["t", "few", "at"])),
)
@settings(deadline=None)
def test_rows_come_home_as_they_were_and_in_order(
    dialect: str,
    postgres_engine: sa.Engine,
    rows: list[tuple[int, str | None, str | None, datetime | None]],
    alike: set[str],
) -> None:
    """Whether or not columns that are taken to hold one value do; PostgreSQL's text has no NUL."""
    given_rows = [
        {"n": n, "t": text.replace("\0", "") if text is not None else None, "few": few, "at": at}
        for n, text, few, at in rows
    ]
    engine = postgres_engine if dialect == "postgresql" else sa.create_engine("sqlite://")
    columns = [
        sa.Column("place", sa.Integer),
        sa.Column("n", sa.BigInteger),
        sa.Column("t", sa.Text),
        sa.Column("few", sa.Text),
        sa.Column("at", UtcDateTime),
    ]
    table = sa.Table("rows_come_home", sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    gathering = Gathering(
        sa.select(*(table.c[name] for name in ("n", "t", "few", "at")))
        .where(table.c.place > sa.bindparam("after"))
        .order_by(table.c.place.desc()),
        alike=alike,
    )
    with engine.connect() as connection:
        table.create(connection)
        for place, row in enumerate(given_rows):
            connection.execute(sa.insert(table).values(place=-place, **row))
        found = gathering.read(connection, {"after": -1_000})
        connection.rollback()
    assert found.to_pylist() == given_rows


# Texts and a number, so many times one after another: what repeats is handed over in another way.
ROWS = st.tuples(
    st.none() | st.sampled_from(["a", "b"]),
    st.none() | TEXTS.map("".join),
    st.integers(0, 2**62),
    st.integers(1, 20),
)


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@given(
    given_rows=st.lists(ROWS, max_size=8),
    before=st.integers(0, 3),
    names=st.permutations(["few", "anything", "n"]).flatmap(
        lambda names: st.integers(1, 3).map(lambda count: names[:count])
    ),
)
@settings(deadline=None)
def test_columns_are_read_as_they_are_and_in_order(
    dialect: str,
    postgres_engine: sa.Engine,
    given_rows: list[tuple[str | None, str | None, int, int]],
    before: int,
    names: list[str],
) -> None:
    """Of a slice its own rows are read, too; PostgreSQL's text holds no NUL."""
    engine = postgres_engine if dialect == "postgresql" else sa.create_engine("sqlite://")
    rows = [
        {"few": few, "anything": any_text, "n": number}
        for few, any_text, number, times in given_rows
        for _ in range(times)
    ]
    padding = {"few": "before", "anything": "after", "n": 7}
    padded = pa.Table.from_pylist(
        [*[padding] * before, *rows, padding],
        pa.schema([("few", pa.string()), ("anything", pa.string()), ("n", pa.int64())]),
    )
    asked = padded.slice(before, len(rows)).select(names)
    columns = {name: asked[name].chunk(0) if rows else padded[name].chunk(0)[:0] for name in names}
    relation = columns_relation(dialect, columns)
    with engine.connect() as connection:
        found = connection.execute(
            sa.text(f"SELECT {', '.join(names)} FROM {relation.sql} AS given"), relation.parameters
        )
        read = [tuple(row) for row in found]
    expected = [tuple(row[name] for name in names) for row in rows]
    if dialect == "postgresql":
        expected = [
            tuple(v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in row)
            for row in expected
        ]
    assert read == expected
