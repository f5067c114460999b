"""Files by URL: a local folder by default, object storage through fsspec in production."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from upath import UPath

from dialnexa_pipeline.errors import ConfigError, StoreError

_PIECE_BYTES = 1024 * 1024
# Whoever logs in, and what follows the path: `ftp://user:password@host/folder?token=…`.
_SECRETS = re.compile(r"(?<=://)[^/@\s]*@|\?\S*")

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+", re.IGNORECASE)
# What fsspec needs besides itself, by the scheme of the URL.
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "sftp": "paramiko",
    "ssh": "paramiko",
}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in the store; `path` is relative to the store's URL."""

    path: str
    sha256: str
    bytes: int


class Store:
    """A folder at a URL; every write is whole or absent.

    Args:
        url: a local path, or any URL that fsspec knows (`s3://bucket/prefix`, `memory://x`).

    Attributes:
        shown: the URL without user, password and parameters.

    Raises:
        ConfigError: the URL names no storage, or one whose package is not installed.
    """

    def __init__(self, url: str) -> None:
        self.shown = _SECRETS.sub("", url.rstrip("/"))
        root = _root_of(url)
        self._is_local = root.protocol in {"", "file", "local"}
        # A local URL is a path from here on: `file:///folder` names the same files as `/folder`.
        self._root = UPath(root.path) if self._is_local else root

    def write(self, path: str, data: bytes) -> StoredFile:
        """Write `data` at `path`, atomically and on disk when the call returns.

        Raises:
            StoreError: the folder cannot be written.
        """
        self._put(path, lambda target: target.write(data))
        return StoredFile(path, hashlib.sha256(data).hexdigest(), len(data))

    def upload(self, path: str, local: Path) -> StoredFile:
        """Copy a local file into the store, piece by piece: it may be larger than memory.

        Raises:
            StoreError: the folder cannot be written.
        """
        with local.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
            source.seek(0)
            self._put(path, lambda target: shutil.copyfileobj(source, target, _PIECE_BYTES))
        return StoredFile(path, digest, local.stat().st_size)

    def _put(self, path: str, fill: Callable[[IO[bytes]], object]) -> None:
        target = self._root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if self._is_local:
                _put_local(Path(str(target)), fill)
            else:
                with target.open("wb") as file:
                    fill(file)
        except OSError as error:
            raise StoreError(
                f"The store at {self.shown} cannot be written: {_said(error)}. "
                "Check DIALNEXA_STORE_URL, the folder's rights and the free space."
            ) from None

    def read(self, path: str) -> bytes:
        """The whole file.

        Raises:
            StoreError: there is no such file, or the store does not answer.
        """
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            raise StoreError(
                f"The file {path} is not in the store at {self.shown}; it was deleted or the "
                "store's URL changed. Run the sync again."
            ) from None
        except OSError as error:
            raise StoreError(
                f"The file {path} cannot be read from the store at {self.shown}: {_said(error)}. "
                "Check DIALNEXA_STORE_URL and the rights, then run the sync again."
            ) from None

    @contextmanager
    def open_local(self, path: str) -> Generator[Path]:
        """A local path to the file, for readers that need one."""
        if self._is_local:
            local = Path(str(self._root / path))
            if not local.exists():
                self.read(path)
            yield local
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / Path(path).name
            copy.write_bytes(self.read(path))
            yield copy

    def list(self, prefix: str) -> list[str]:
        """Paths of the files below a folder of the store, sorted."""
        folder = self._root / prefix
        if not folder.exists():
            return []
        start = len(str(self._root).rstrip("/")) + 1
        return sorted(str(file)[start:] for file in folder.rglob("*") if file.is_file())

    def delete(self, path: str) -> None:
        """Delete a file; one that is gone already is fine."""
        (self._root / path).unlink(missing_ok=True)

    def expire(self, prefix: str, older_than: timedelta) -> int:
        """Delete files below `prefix` that were last written before; return how many."""
        cutoff = datetime.now(UTC) - older_than
        expired = 0
        for path in self.list(prefix):
            written = (self._root / path).stat().st_mtime
            if datetime.fromtimestamp(written, UTC) < cutoff:
                self.delete(path)
                expired += 1
        return expired


def _root_of(url: str) -> UPath:
    scheme, _, rest = url.partition(":")
    if _SCHEME.fullmatch(scheme) and url != scheme and not rest.strip("/"):
        raise ConfigError(
            f"DIALNEXA_STORE_URL is {url!r}, which names no folder or bucket; write for example "
            "s3://bucket/prefix."
        )
    try:
        root = UPath(url.rstrip("/"))
        # The package of the storage is imported here, and not in the middle of a run. A server that
        # does not answer is told of by whoever reads or writes.
        with suppress(OSError):
            _ = root.fs
    except ImportError:
        package = _PACKAGES.get(scheme)
        advice = f"it with `pip install {package}`" if package else "its fsspec package"
        raise ConfigError(
            f"DIALNEXA_STORE_URL begins with {scheme}://, and no package for that is installed. "
            f"Install {advice}, or correct the URL."
        ) from None
    except (ValueError, TypeError):
        raise ConfigError(
            f"DIALNEXA_STORE_URL begins with {scheme}:, which is no storage that fsspec opens by "
            "its URL; write a folder, or for example s3://bucket/prefix."
        ) from None
    return root


def _said(error: OSError) -> str:
    return error.strerror or _SECRETS.sub("", str(error)) or type(error).__name__


def _put_local(target: Path, fill: Callable[[IO[bytes]], object]) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
