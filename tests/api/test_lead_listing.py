"""The list of leads is read as it arrives: strictly, cut anywhere, and in flat memory."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialnexa_pipeline.api.lead_listing import Page


def lead(n: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"lead_{n}",
        "phone_number": f"+9198{n:08d}",
        "dynamic_variables": {"name": f"Zoë {n}", "enrolment_ref": f"r{n}"},
        "createdAt": "2026-08-22T10:00:00.000Z",
        **more,
    }


def cut(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_body_may_be_cut_anywhere(size: int, indent: int | None) -> None:
    document = {"count": 3, "data": [lead(n) for n in range(3)], "meta": {"totalPages": 12}}
    body = json.dumps(document, indent=indent, ensure_ascii=False).encode()
    page = Page(cut(body, size))
    assert [found.variables["name"] for found in page] == ["Zoë 0", "Zoë 1", "Zoë 2"]
    assert (page.total, page.total_pages) == (3, 12)


def test_a_body_that_ends_early_is_refused_wherever_it_ends() -> None:
    body = json.dumps({"data": [lead(0), lead(1)], "count": 2}).encode()
    for end in range(len(body)):
        with pytest.raises(ValueError, match=r".+"):
            list(Page(cut(body[:end], 16)))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[",
        "{}",
        '{"data":{}}',
        '{"data":[],}',
        '{"data":[{"id":"a"},]}',
        '{"data":[{"id":"a"} {"id":"b"}]}',
        '{"data":[{"id":"a"}]} {}',
        '{"data":[{"id":"a"}]]}',
        '{"data":[["a"]]}',
        '{"data":[null]}',
        '{"data":[{"id":""}]}',
        '{"data":[{"id":"a","x":NaN}]}',
        '{"count":Infinity,"data":[]}',
        "{data:[]}",
        '{"results":[{"id":"a"}]}',
    ],
)
def test_what_is_no_list_of_leads_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(Page(iter([body.encode()])))


def test_numbers_keep_the_digits_that_were_uploaded() -> None:
    variables = {"amount": "1.10", "pin": 110, "big": "9"}
    body = json.dumps({"data": [lead(0, dynamic_variables=variables)]}).replace('"1.10"', "1.10")
    (found,) = Page(iter([body.replace('"9"', "9" * 40).encode()]))
    assert dict(found.variables) == {"amount": "1.10", "pin": "110", "big": "9" * 40}


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(extras=st.lists(_JSON, max_size=3), size=st.integers(1, 40), where=st.booleans())
def test_whatever_else_the_body_says_its_leads_are_read(
    extras: list[Any], size: int, where: bool
) -> None:
    said = {f"x{n}": value for n, value in enumerate(extras)}
    listed = {"data": [lead(n, extra=value) for n, value in enumerate(extras)]}
    body = json.dumps({**said, **listed} if where else {**listed, **said}).encode()
    assert [found.id for found in Page(cut(body, size))] == [
        f"lead_{n}" for n in range(len(extras))
    ]


def peak_of(rows: int) -> int:
    """Bytes that reading a list of that many leads needs at most."""

    def body() -> Iterator[bytes]:
        yield b'{"data":['
        for start in range(0, rows, 100):
            leads = ",".join(json.dumps(lead(n)) for n in range(start, start + 100))
            yield ("," if start else "").encode() + leads.encode()
        yield b"]}"

    tracemalloc.start()
    count = sum(1 for _ in Page(body()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == rows
    return peak


def test_memory_does_not_grow_with_the_list() -> None:
    peak_of(1_000)
    assert peak_of(12_000) < 1.5 * peak_of(2_000)


@pytest.mark.parametrize(
    "says",
    [
        {"statusCode": 500, "message": "Internal error"},
        {"success": False, "count": 0},
        {"statusCode": 200, "error": "upstream timeout"},
        {"errors": [{"message": "no shard answered"}]},
        {"status": "error"},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_body_that_denies_itself_is_no_list(says: dict[str, Any], *, first: bool) -> None:
    listed: dict[str, Any] = {"data": []}
    body = json.dumps({**listed, **says} if first else {**says, **listed}).encode()
    with pytest.raises(ValueError, match="the body says that the call failed"):
        list(Page(iter([body])))


@pytest.mark.parametrize(
    "says",
    [
        {"statusCode": 200, "success": True, "error": None, "errors": [], "status": "ok"},
        {"hasMore": False, "nextCursor": None, "links": {"next": None}},
    ],
)
def test_a_body_that_says_all_is_well_is_a_list(says: dict[str, Any]) -> None:
    page = Page(iter([json.dumps({"data": [lead(1)], **says}).encode()]))
    assert len(list(page)) == 1
    assert not page.has_more


@pytest.mark.parametrize(
    "says",
    [
        {"hasMore": True},
        {"next_cursor": "x"},
        {"pagination": {"has_next_page": True}},
        {"links": {"next": "/v1/workflows/wf/leads?cursor=x"}},
        {"meta": {"nextPage": 2}},
    ],
)
def test_a_body_that_announces_another_one_says_so(says: dict[str, Any]) -> None:
    page = Page(iter([json.dumps({"data": [lead(1)], **says}).encode()]))
    assert len(list(page)) == 1
    assert page.has_more


def test_pages_are_counted_however_they_are_called() -> None:
    body = {"data": [lead(1)], "pagination": {"page": 1, "total": 25, "pages": 2}}
    page = Page(iter([json.dumps(body).encode()]))
    list(page)
    assert (page.total, page.total_pages) == (25, 2)
