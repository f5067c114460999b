"""Read a source, screen every lead, and stage the outcome as one Parquet file."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dialnexa_pipeline.enrolment.correcting import SourceCorrections
from dialnexa_pipeline.enrolment.staged_file import writing_staged_file
from dialnexa_pipeline.errors import DialNexaError, StoreError
from dialnexa_pipeline.failpoints import reach
from dialnexa_pipeline.leads import ScreeningConfig, blank_variables, screen
from dialnexa_pipeline.ledger import PlanRead
from dialnexa_pipeline.masking import mask_phone
from dialnexa_pipeline.sources import KeyReport, RisingKeys, Source, check_keys
from dialnexa_pipeline.store import Store

_SAMPLE_ROWS = 20
_DIGITS_OF_A_PHONE = 10
_READ = b"dialnexa.read"
_SCREENED_AS = b"dialnexa.screened_as"


class StagedUnderAnother(DialNexaError):
    """The sync was changed after these leads were screened: they may not be called any more."""


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A refused lead as people may see it: the number is masked."""

    lead_key: str
    raw_phone: str
    reason: str

    @classmethod
    def masked(cls, lead_key: str, raw_phone: str | None, reason: str) -> "SampleRow":
        """A key with as many digits as a phone may be one, so it is masked as well."""
        digits = sum(character.isdigit() for character in lead_key)
        shown = mask_phone(lead_key) if digits >= _DIGITS_OF_A_PHONE else lead_key
        return cls(shown, mask_phone(raw_phone or ""), reason)


@dataclass(frozen=True, slots=True)
class StagedLeads:
    """Screened leads in the store, and what screening found.

    Attributes:
        path: Parquet file in the store; columns as `leads.screen` gives them.
        source_rows: rows read from the source.
        counts: (workflow_id, reason) → refused leads; reason is `invalid/…`.
        eligible: workflow_id → leads that go on to planning.
        blank_variables: required header → leads refused because it is blank.
    """

    path: str
    source_rows: int
    keys: KeyReport
    counts: Mapping[tuple[str, str], int]
    eligible: Mapping[str, int]
    blank_variables: Mapping[str, int]
    sample: tuple[SampleRow, ...]
    schema: pa.Schema


def staged_path(sync: str, run_id: str, partition_key: str) -> str:
    """Where a run stages its screened leads."""
    part = partition_key.replace("/", "_").replace(":", "-") or "all"
    return f"{sync}/screened/{part}/{run_id}.parquet"


def staged_read(schema: pa.Schema) -> PlanRead | None:
    """What the leads of a staged file are of the source; None for a sync without a cursor."""
    text = (schema.metadata or {}).get(_READ)
    return PlanRead.of_text(text) if text is not None else None


def refuse_changed(store: Store, staged: str, screened_as: str, sync: str) -> None:
    """Refuse leads that were screened under another configuration, or under an unknown one.

    Raises:
        StagedUnderAnother: the fingerprint of the file is not `screened_as`.
    """
    with store.open_local(staged) as local:
        metadata = pq.read_schema(local).metadata or {}
    if metadata.get(_SCREENED_AS) != screened_as.encode():
        raise StagedUnderAnother(
            f"Sync {sync!r} was changed since these leads were screened, or dialnexa-pipeline was "
            f"updated. Nothing was planned; materialise {sync}/screened_leads again."
        )


def stage_leads(
    source: Source,
    screening: ScreeningConfig,
    store: Store,
    path: str,
    *,
    screened_as: str = "",
    read: PlanRead | None = None,
    corrections: SourceCorrections | None = None,
    in_order: bool = True,
) -> StagedLeads:
    """Screen the source batch by batch into `path`; nothing is claimed and nothing is sent.

    Args:
        screened_as: fingerprint of the configuration, for `refuse_changed`.
        read: is written into the file, for the plan that is made of it.
        corrections: stand in for values of the source before these are screened.
        in_order: leads are planned in the source's order; else many of them by their numbers,
            which is faster.

    Raises:
        SourceError: the source cannot be read.
        KeysBroken: its key is not unique and not null.
        StoreError: a temporary file or the store cannot be written.
    """
    refused: Counter[tuple[str, str]] = Counter()
    eligible: Counter[str] = Counter()
    blank = Counter(dict.fromkeys(screening.required_variables, 0))
    sample: list[SampleRow] = []
    rising = RisingKeys()
    rows = 0
    with _temporary_folder() as folder:
        local = folder / "screened.parquet"
        schema = pa.schema([])

        def described(schema: pa.Schema) -> pa.Schema:
            said: dict[bytes | str, bytes | str] = {_SCREENED_AS: screened_as}
            if read is not None:
                said[_READ] = read.as_text()
            schema = schema.with_metadata(said)
            return corrections.mark(schema) if corrections is not None else schema

        with writing_staged_file(local, described, in_order=in_order) as add:
            batches = source.batches()
            if corrections is not None:
                batches = map(corrections.apply, batches)
            for leads in _screened(batches, screening):
                add(leads)
                schema = leads.schema
                rows += leads.num_rows
                rising.add(leads["lead_key"])
                _count(leads, refused, eligible)
                blank.update(blank_variables(leads, screening))
                if len(sample) < _SAMPLE_ROWS:
                    sample += _sample(leads, _SAMPLE_ROWS - len(sample))
        keys = rising.report or check_keys([local], "lead_key")
        store.upload(path, local)
    reach("screen.staged")
    return StagedLeads(
        path, rows, keys, dict(refused), dict(eligible), dict(blank), tuple(sample), schema
    )


@contextmanager
def _temporary_folder() -> Generator[Path]:
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    except OSError as error:
        raise StoreError(
            f"Screened leads cannot be written to the folder {tempfile.gettempdir()}: "
            f"{error.strerror or error}. Free some space there, or let TMPDIR name another folder, "
            "and run the sync again. Nothing was sent."
        ) from error


def _screened(batches: Iterable[pa.RecordBatch], screening: ScreeningConfig) -> Iterable[pa.Table]:
    empty = True
    for batch in batches:
        empty = False
        yield screen(batch, screening)
    if empty:
        names = [screening.key, screening.phone, screening.country, screening.workflow_column]
        names += list(screening.variables.values())
        schema = pa.schema([(n, pa.string()) for n in dict.fromkeys(names) if n is not None])
        yield screen(pa.RecordBatch.from_pylist([], schema=schema), screening)


def _count(leads: pa.Table, refused: Counter[tuple[str, str]], eligible: Counter[str]) -> None:
    grouped = leads.group_by(["workflow_id", "reason"]).aggregate([([], "count_all")])
    for row in grouped.to_pylist():
        if row["reason"] is None:
            eligible[row["workflow_id"]] += row["count_all"]
        else:
            refused[(row["workflow_id"], row["reason"])] += row["count_all"]


def _sample(leads: pa.Table, size: int) -> list[SampleRow]:
    found = leads.filter(pc.is_valid(leads["reason"])).slice(0, size)
    return [
        SampleRow.masked(row["lead_key"] or "", row["raw_phone"], row["reason"])
        for row in found.select(["lead_key", "raw_phone", "reason"]).to_pylist()
    ]
