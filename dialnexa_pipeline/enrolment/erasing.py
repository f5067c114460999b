"""Erase people: their numbers and variables out of store and ledger, a keyed hash instead."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.enrolment.staged_file import said_of_groups
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.leads import VARIABLE_PREFIX
from dialnexa_pipeline.ledger import Ledger
from dialnexa_pipeline.phones import PhoneHasher, SpelledPhones
from dialnexa_pipeline.store import Store

_CHUNK_ROWS = 65_536


@dataclass(slots=True)
class EraseReport:
    """What an erasure did to the store's files; `kept` has a sentence for each that had to stay."""

    rewritten: int = 0
    deleted: int = 0
    kept: list[str] = field(default_factory=list[str])


class ErasedPeople:
    """Recognises erased people among screened leads; made only when somebody was erased."""

    def __init__(self, ledger: Ledger, hasher: PhoneHasher) -> None:
        self._ledger = ledger
        self._hasher = hasher
        self.met = False

    @classmethod
    def of(cls, ledger: Ledger, erasure_key: str) -> "ErasedPeople | None":
        """None when nobody was erased: then no key is needed, and planning costs nothing more.

        Raises:
            ConfigError: somebody was, and the key is missing or another one.
        """
        key_ids = ledger.erasures.key_ids()
        if not key_ids:
            return None
        hasher = PhoneHasher(erasure_key)
        if key_ids != {hasher.key_id}:
            raise ConfigError(
                "People were erased from this ledger under another DIALNEXA_ERASURE_KEY, so they "
                "would not be recognised and could be enrolled again. Set the key that was used "
                "then. Nothing was planned."
            )
        return cls(ledger, hasher)

    def redact(self, leads: pa.Table) -> pa.Table:
        """The same leads; those of erased people suppressed and without personal data."""
        theirs = self.are_theirs(leads)
        if not pc.any(theirs).as_py():
            return leads
        self.met = True
        return redacted(leads, theirs)

    def are_theirs(self, leads: pa.Table) -> pa.Array:
        """Which leads belong to erased people."""
        phones: list[int | None] = leads["phone_key"].to_pylist()
        hashes = [self._hasher.hash(phone) if phone is not None else None for phone in phones]
        known = self._ledger.erasures.known({each for each in hashes if each is not None})
        return pa.array([each in known for each in hashes], pa.bool_())


def erase(
    phones: Collection[int],
    *,
    ledger: Ledger,
    store: Store,
    hasher: PhoneHasher,
    who: str,
    why: str,
) -> EraseReport:
    """Erase numbers that are withdrawn; interrupted anywhere, run it again.

    The files come first: they are found through the claims, which the ledger's part empties.

    Raises:
        StoreError: a staged file cannot be rewritten; the ledger is as before.
    """
    report = EraseReport()
    spelled = SpelledPhones(phones)
    _delete_batch_files(ledger, store, phones, report)

    def are_theirs(leads: pa.Table) -> pa.Array:
        keys = leads["phone_key"].to_pylist()
        raw = leads["raw_phone"].to_pylist()
        wanted = set(phones)
        return pa.array(
            [
                key in wanted if key is not None else spelled.are_in(text)
                for key, text in zip(keys, raw, strict=True)
            ],
            pa.bool_(),
        )

    for path in store.list(""):
        parts = PurePosixPath(path).parts
        if len(parts) > 1 and parts[1] == "screened" and path.endswith(".parquet"):
            report.rewritten += redact_staged(store, path, are_theirs)
    ledger.erasures.erase(
        {phone: hasher.hash(phone) for phone in phones},
        key_id=hasher.key_id,
        who=who,
        why=why,
        spelled=spelled.are_in,
    )
    ledger.erasures.scrub()
    return report


def redact_staged(store: Store, path: str, are_theirs: Callable[[pa.Table], pa.Array]) -> bool:
    """Rewrite a staged file without the personal data of some leads; False when it had none."""
    with store.open_local(path) as local, tempfile.TemporaryDirectory() as folder:
        with pq.ParquetFile(local) as staged:
            looked_at = ["phone_key", "raw_phone"]
            if not any(
                pc.any(are_theirs(pa.Table.from_batches([batch]))).as_py()
                for batch in staged.iter_batches(_CHUNK_ROWS, columns=looked_at)
            ):
                return False
            rewritten = Path(folder) / "screened.parquet"
            with pq.ParquetWriter(rewritten, staged.schema_arrow, compression="zstd") as writer:
                writer.add_key_value_metadata(said_of_groups(staged))
                for group in range(staged.num_row_groups):
                    leads = staged.read_row_group(group)
                    writer.write_table(redacted(leads, are_theirs(leads)))
        store.upload(path, rewritten)
    return True


def redacted(leads: pa.Table, theirs: pa.Array) -> pa.Table:
    """Some of the screened leads suppressed, with neither phone nor variables."""
    gone = {"raw_phone", "phone", "phone_key", "country", "phone_type"}
    said = {"outcome": "suppressed", "reason": "suppressed/erased"}
    for index, column in enumerate(leads.schema):
        blank = "" if column.name.startswith(VARIABLE_PREFIX) else said.get(column.name)
        if column.name in gone or blank is not None:
            value = pa.scalar(blank, column.type)
            leads = leads.set_column(index, column, pc.if_else(theirs, value, leads[column.name]))
    return leads


def _delete_batch_files(
    ledger: Ledger, store: Store, phones: Collection[int], report: EraseReport
) -> None:
    for batch in ledger.erasures.files_of(phones):
        files = [
            path for path in store.list(batch.folder) if PurePosixPath(path).stem == batch.batch_id
        ]
        if batch.needed and files:
            report.kept.append(
                f"The file of batch {batch.batch_id} stays in the store, because the batch is not "
                "sent yet. Run the sync, then erase again."
            )
            continue
        for path in files:
            store.delete(path)
            report.deleted += 1
