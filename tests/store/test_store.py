"""The store: whole files or none."""

from datetime import timedelta
from pathlib import Path

import pytest

from dialnexa_pipeline import StoreResource
from dialnexa_pipeline.errors import ConfigError, StoreError
from dialnexa_pipeline.store import Store


@pytest.fixture(params=["{folder}/s", "file://{folder}/s", "memory://{name}"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(request.param.format(folder=tmp_path, name=tmp_path.name))


def test_what_is_written_is_read_and_listed(store: Store) -> None:
    stored = store.write("a/b/c.csv", b"x")
    assert store.read("a/b/c.csv") == b"x"
    assert stored.bytes == 1
    assert store.list("a") == ["a/b/c.csv"]
    with store.open_local("a/b/c.csv") as local:
        assert local.read_bytes() == b"x"


def test_a_missing_file_is_a_sentence(store: Store) -> None:
    with pytest.raises(StoreError, match="not in the store"):
        store.read("nothing.csv")


def test_a_file_that_cannot_be_read_is_not_called_deleted(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=r"cannot be read from the store .*: Is a directory"):
        Store(str(tmp_path)).read("folder")


def test_nobody_reads_who_logs_in_to_the_store() -> None:
    store = Store("ftp://user:hunter2@127.0.0.1:1/folder?token=hunter2")
    assert store.shown == "ftp://127.0.0.1:1/folder"
    with pytest.raises(
        StoreError, match=r"in the store at ftp://127\.0\.0\.1:1/folder|cannot be"
    ) as e:
        store.read("x")
    assert "hunter2" not in str(e.value)
    assert e.value.__cause__ is None
    assert "hunter2" not in repr(StoreResource(url="s3://key:hunter2@bucket"))


def test_deleting_twice_is_fine(store: Store) -> None:
    store.write("a.csv", b"x")
    store.delete("a.csv")
    store.delete("a.csv")
    assert store.list("") == []


def test_old_files_expire_and_no_part_file_is_left(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write("a/x", b"1")
    assert store.expire("a", timedelta(days=1)) == 0
    assert store.expire("a", timedelta(seconds=-5)) == 1
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/leads", "begins with s3://, .* Install it with `pip install s3fs`"),
        ("gs://bucket", "begins with gs://, .* Install it with `pip install gcsfs`"),
        ("foo://key:hunter2@x", "begins with foo:, which is no storage that fsspec opens"),
        ("s3://", "'s3://', which names no folder or bucket"),
    ],
)
def test_a_store_that_cannot_be_opened_is_refused_in_a_sentence(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"DIALNEXA_STORE_URL (is )?{said}") as caught:
        Store(url)
    assert "hunter2" not in str(caught.value)
