"""A key identifies one row, or the run stops and names what is wrong."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.errors import SourceError
from dialnexa_pipeline.sources import KeysBroken, RisingKeys, check_keys

KEYS = st.none() | st.text(" ab1é", max_size=3) | st.integers(0, 200).map(str)


def test_repeated_keys_are_named_five_at_most(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": [*"aabbccddeeffgh"]}), path)
    with pytest.raises(SourceError, match=r"'a' \(2 times\).*'e' \(2 times\)") as caught:
        check_keys([path], "k")
    assert "'f'" not in str(caught.value)


def test_null_keys_are_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": ["a", None, "b", " "]}), path)
    with pytest.raises(SourceError, match="row 2, 4"):
        check_keys([path], "k")


def test_keys_that_no_record_table_holds_are_cut_short_and_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": ["é" * 255, "ab" * 128, "a"]}), path)
    with pytest.raises(SourceError, match="255 characters at most, but 1 of 3 rows") as caught:
        check_keys([path], "k")
    assert f"'{'ab' * 20}…' in row 2 of the source" in str(caught.value)
    assert "ab" * 21 not in str(caught.value)
    assert not rising_keys([["a", "b" * 256]]).report


def test_a_phone_number_at_the_start_of_a_long_key_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": ["+919876543210 " + "x" * 300]}), path)
    with pytest.raises(SourceError) as caught:
        check_keys([path], "k")
    assert "9876543210" not in str(caught.value)


def test_a_key_that_is_a_phone_number_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "k.parquet"
    pq.write_table(pa.table({"k": ["+919876543210"] * 2}), path)
    with pytest.raises(SourceError, match=r"'\+91\*+3210' \(2 times\)"):
        check_keys([path], "k")


def test_keys_are_compared_across_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path in paths:
        pq.write_table(pa.table({'odd "name"': ["same", path.name]}), path)
    with pytest.raises(SourceError, match="'same'"):
        check_keys(paths, 'odd "name"')
    check_keys(paths[:1], 'odd "name"')
    check_keys([], "k")


def rising_keys(batches: list[list[str | None]]) -> RisingKeys:
    rising = RisingKeys()
    for batch in batches:
        rising.add(pa.chunked_array([pa.array(batch, pa.string())]))
    return rising


@given(keys=st.lists(KEYS, max_size=12), in_order=st.booleans(), first=st.integers(0, 12))
@settings(deadline=None)
def test_keys_that_rise_are_those_that_counting_finds_sound(
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[str | None],
    in_order: bool,
    first: int,
) -> None:
    if in_order:
        keys = sorted(keys, key=lambda key: (len((key or "").encode()), (key or "").encode()))
    rising = rising_keys([keys[:first], keys[first:]])
    path = tmp_path_factory.mktemp("keys") / "k.parquet"
    pq.write_table(pa.table({"k": pa.array(keys, pa.string())}), path)
    try:
        counted = check_keys([path], "k")
    except KeysBroken:
        assert rising.report is None
    else:
        assert rising.report in {None, counted}


def test_numbers_and_texts_of_one_length_rise_across_batches() -> None:
    assert rising_keys([["8", "9", "10"], [], ["11", "100"]]).report is not None
    assert rising_keys([["lead-08", "lead-09"], ["lead-10"]]).report is not None
    assert rising_keys([]).report is not None


@pytest.mark.parametrize("batches", [[["1", "2"], ["2"]], [["2", "1"]], [["a", None]], [["", "a"]]])
def test_keys_that_do_not_rise_are_counted(batches: list[list[str | None]]) -> None:
    assert rising_keys(batches).report is None
