"""What a column is declared as decides whether and how it is read, in every warehouse."""

import pytest

from dialnexa_pipeline.errors import SourceError
from tests.sources.readers import run
from tests.sources.reading import config, read

SINGLE = {"duckdb": "FLOAT", "postgresql": "REAL", "mysql": "FLOAT"}


def kind_of(url: str) -> str:
    return url.partition(":")[0].partition("+")[0]


@pytest.mark.parametrize("role", ["phone", "key"])
def test_a_phone_or_key_of_32_bits_is_refused_before_a_row_is_read(
    warehouse: str, role: str
) -> None:
    single = SINGLE.get(kind_of(warehouse))
    if single is None:
        return  # a FLOAT of SQLite has 64 bits
    run(
        warehouse,
        "DROP TABLE IF EXISTS short_digits",
        f"CREATE TABLE short_digits (id INT, whole BIGINT, short {single})",
        "INSERT INTO short_digits VALUES (1, 9876543210, 9876543210)",
    )
    names = {"key": "id", "phone": "whole"} | {role: "short"}
    for relation in ({"table": "short_digits"}, {"query": "SELECT * FROM short_digits"}):
        leads = config(**({"table": None} | relation | names))
        with pytest.raises(SourceError, match=rf"source\.{role}: the column 'short'") as caught:
            read(leads, warehouse, list(names.values()))
        assert "98765" not in str(caught.value)


def test_a_float_that_is_neither_phone_nor_key_is_read(warehouse: str) -> None:
    share = SINGLE.get(kind_of(warehouse), "REAL")
    run(
        warehouse,
        "DROP TABLE IF EXISTS shares",
        f"CREATE TABLE shares (id INT, phone BIGINT, share {share})",
        "INSERT INTO shares VALUES (1, 9876543210, 0.5)",
    )
    leads = config(table="shares", phone="phone")
    found = read(leads, warehouse, ["id", "phone", "share"])
    assert str(found["share"][0].as_py()) == "0.5"


@pytest.mark.parametrize("kind", ["DOUBLE", "DECIMAL(18,2)"])
def test_a_phone_that_is_a_number_is_its_digits_alone(warehouse: str, kind: str) -> None:
    numbers = ["512345", "9876543210", "98765432109876", "512345.5", "0"]
    postgres = kind_of(warehouse) == "postgresql" and kind == "DOUBLE"
    run(
        warehouse,
        "DROP TABLE IF EXISTS numbers",
        f"CREATE TABLE numbers (id INT, phone {'DOUBLE PRECISION' if postgres else kind})",
        *(f"INSERT INTO numbers VALUES ({n}, {number})" for n, number in enumerate(numbers)),
        f"INSERT INTO numbers VALUES ({len(numbers)}, NULL)",
    )
    for relation in ({"table": "numbers"}, {"query": "SELECT * FROM numbers"}):
        leads = config(**({"table": None} | relation | {"phone": "phone"}))
        found = read(leads, warehouse, ["id", "phone"]).sort_by("id")["phone"].to_pylist()
        fraction = "512345.50" if "DECIMAL" in kind and "sqlite" not in warehouse else "512345.5"
        assert found == [*numbers[:3], fraction, "0", None]
