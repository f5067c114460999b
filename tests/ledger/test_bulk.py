"""Texts and numbers reach PostgreSQL's arrays as they are."""

from collections.abc import Generator

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.ledger.bulk import number_array, text_array

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
