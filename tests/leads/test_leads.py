"""Screening gives each row one outcome; files hold exactly what was meant."""

import csv
import io
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.leads import (
    REASONS,
    ScreeningConfig,
    csv_file,
    csv_header_bytes,
    csv_lines,
    render_csv,
    screen,
    text_of,
    validate_variables,
)

CONFIG = ScreeningConfig(
    key="id",
    phone="phone",
    country="cc",
    default_country=None,
    workflow=None,
    workflow_column="wf",
    variables={"name": "n"},
    required_variables=("name",),
    phone_types=frozenset({"mobile", "fixed_line_or_mobile"}),
)
CELLS = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=12
) | st.sampled_from(["a,b", 'q"x', "l1\nl2", "c\r\nd", "नमस्ते", "🙂", "", "+91 1", "001"])


def test_each_row_gets_one_reason_or_stays_undecided() -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "id": [1, 2, 3, 4],
            "phone": ["+919876543210", "+919876543211", "12", "+919876543213"],
            "cc": ["IN"] * 4,
            "wf": ["w", " ", "w", "w"],
            "n": ["A", "B", "C", "  "],
        }
    )
    leads = screen(batch, CONFIG)
    assert leads["reason"].to_pylist() == [
        None,
        "invalid/blank_workflow",
        "invalid/too_short",
        "invalid/blank_variable",
    ]
    assert leads["lead_key"].to_pylist() == ["1", "2", "3", "4"]
    assert all(reason in REASONS for reason in leads["reason"].to_pylist() if reason)


def test_what_is_no_id_of_a_workflow_is_refused_and_cut_short_enough_to_be_recorded() -> None:
    ids = ["w" * 180, "w" * 181, ".", "..", "w..", "नमस्ते" * 40]
    batch = pa.RecordBatch.from_pydict(
        {
            "id": [*range(6)],
            "phone": [f"+91987654321{number}" for number in range(6)],
            "cc": ["IN"] * 6,
            "wf": ids,
            "n": ["A"] * 6,
        }
    )
    leads = screen(batch, CONFIG)
    unfit = "invalid/unfit_workflow"
    assert leads["reason"].to_pylist() == [None, unfit, unfit, unfit, None, unfit]
    shown = leads["workflow_id"].to_pylist()
    assert shown == [ids[0], "w" * 60 + "…", ".", "..", "w..", ids[5][:60] + "…"]
    assert unfit in REASONS


def test_values_become_plain_text() -> None:
    def texts(values: list[object], kind: pa.DataType | None = None) -> list[str | None]:
        return text_of(pa.array(values, kind)).to_pylist()

    assert texts([500000.0, 1.5, None]) == ["500000", "1.5", None]
    assert texts([0.1, 1e10, None, math.nan], pa.float32()) == ["0.1", "10000000000", None, None]
    assert texts([b"\x01\xff", None]) == ["01ff", None]
    assert texts([Decimal("10.50")]) == ["10.50"]
    assert texts([True, False]) == ["true", "false"]
    assert texts([date(2026, 1, 2)]) == ["2026-01-02"]
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert texts([moment], pa.timestamp("us", "UTC")) == ["2026-01-02T03:04:05Z"]
    early = datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)
    assert texts([early, None], pa.timestamp("us", "UTC")) == ["1969-12-31T23:59:59.500000Z", None]


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_a_csv_file_reads_back_as_written_and_its_size_is_known(
    rows: list[tuple[str, str]],
) -> None:
    table = pa.table(
        {
            "phone_number": pa.array([r[0] for r in rows]),
            "a,b": pa.array([r[1] for r in rows]),
        }
    )
    content = render_csv(table)
    read = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    assert read == [["phone_number", "a,b"], *[list(row) for row in rows]]
    lines = csv_lines(table)
    assert content == csv_file(table.column_names, [lines[:3], lines[3:]])
    rows = sum(len(line.encode()) for line in lines.to_pylist())
    assert len(content) == csv_header_bytes(table.column_names) + rows


def test_an_empty_value_alone_in_its_row_is_still_a_row() -> None:
    content = render_csv(pa.table({"phone_number": ["", "+1"]}))
    assert list(csv.reader(io.StringIO(content.decode()))) == [["phone_number"], [""], ["+1"]]


def test_a_csv_file_has_no_byte_order_mark() -> None:
    assert not render_csv(pa.table({"phone_number": ["+1"]})).startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({f"v{n}": "c" for n in range(16)}, "takes 15"),
        ({"call_id": "c"}, "reserved"),
        ({"Name": "a", "name": "b"}, "collide"),
        ({"phone_number": "a"}, "collide"),
        ({" ": "a"}, "blank"),
        ({"enrolment_ref": "a"}, "collide"),
    ],
)
def test_headers_that_dialnexa_would_misread_are_refused(
    variables: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        validate_variables(variables, "enrolment_ref")
