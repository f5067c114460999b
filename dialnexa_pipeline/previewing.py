"""What a sync would do now, as a DataFrame: nothing is claimed, written or sent."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.enrolment import BatchLimits, ErasedPeople, SourceCorrections, held_outcome
from dialnexa_pipeline.incremental import next_reading
from dialnexa_pipeline.leads import (
    REASONS,
    VARIABLE_PREFIX,
    Rotation,
    even_rows,
    screen,
)
from dialnexa_pipeline.ledger import Ledger, key_hashes
from dialnexa_pipeline.partition_keys import refuse_missing
from dialnexa_pipeline.partitioning import window_of_partition
from dialnexa_pipeline.project import sync_named
from dialnexa_pipeline.settings import Settings
from dialnexa_pipeline.sources import open_source
from dialnexa_pipeline.sync import SyncConfig

_PLANNED = ("planned", "planned/not_sent")
_JUDGED = ("lead_key", "workflow_id", "outcome", "reason", "meaning")
# A plan's id, a dash and a few digits.
_REF_CHARACTERS = 21
_SCREENED = ("raw_phone", "phone", "country", "phone_type")


def preview(
    sync: str,
    *,
    partition: str = "",
    full_scan: bool = False,
    project: str | Path = ".",
    note_read: Callable[[int], None] = lambda _rows: None,
) -> pd.DataFrame:
    """Every row of a sync's source with the outcome that a run would plan for it now.

    Args:
        sync: the name of a sync in the project's YAML files.
        partition: its partition; `""` reads the whole source, or what changed since the cursor.
        full_scan: read every row, also of a sync with a cursor.
        project: the folder below which these lie.
        note_read: takes how many rows of the source were read by now.

    Returns:
        One row per source row, in the source's order: `lead_key, workflow_id, outcome, reason,
        meaning, raw_phone, phone, country, phone_type`, then a column `var:<header>` per variable;
        all `str`. Outcomes are `invalid`, `duplicate`, `suppressed`, `in_doubt` and `planned`.

    Raises:
        ConfigError: there is no such sync or partition, or a setting is wrong.
        SourceError: the source cannot be read.
        LedgerUnavailable: the ledger cannot be read.
    """
    config = sync_named(sync, Path(project))
    settings = Settings.from_environment()
    window = window_of_partition(config, partition)
    if window is not None:
        refuse_missing(config, partition, window)
    with Ledger(settings.ledger_url) as ledger:
        reading = next_reading(
            config, ledger, warehouse_url=settings.warehouse_url, full_scan=full_scan
        )
        source = open_source(
            config.source,
            warehouse_url=settings.warehouse_url,
            columns=config.source_columns,
            window=reading.since if reading is not None else window,
        )
        judge = Judge(config, ledger, ErasedPeople.of(ledger, settings.erasure_key))
        corrections = SourceCorrections.of(ledger, config.name, config.source.key)
        judged: list[pa.Table] = []
        rows = 0
        for batch in source.batches():
            judged.append(judge.judge(screen(corrections.apply(batch), config.screening)))
            rows += batch.num_rows
            note_read(rows)
    if not judged:
        return pd.DataFrame(columns=[*_JUDGED, *_SCREENED], dtype="str")
    return pa.concat_tables(judged).to_pandas()


def estimate_files(frame: pd.DataFrame, config: SyncConfig) -> dict[str, int]:
    """Workflow → how many batch files the planned leads of a preview would make."""
    planned = frame[frame["outcome"] == "planned"]
    batch = config.batch
    limits = BatchLimits(batch.format, batch.max_rows, batch.max_bytes, config.enrolment_ref)
    found: dict[str, int] = {}
    for workflow, leads in planned.groupby("workflow_id"):
        columns = {"phone_number": leads["phone"]}
        columns |= {name: leads[f"{VARIABLE_PREFIX}{name}"] for name in config.variables}
        table = pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()})
        if config.enrolment_ref is not None:
            refs = pa.array(["0" * _REF_CHARACTERS] * len(leads))
            table = table.append_column(config.enrolment_ref, refs)
        _, sizes = limits.content_of(table)
        header = limits.header_bytes(table.column_names)
        max_rows = even_rows(table.num_rows, limits.max_rows)
        full, rows, _ = Rotation(max_rows, limits.max_bytes, header).ends(sizes)
        found[str(workflow)] = len(full) + (rows > 0)
    return found


class Judge:
    """Reads the ledger as planning would, and remembers which numbers this preview has given."""

    def __init__(self, config: SyncConfig, ledger: Ledger, erased: ErasedPeople | None) -> None:
        self._sync = config.name
        self._dedupe: timedelta | None = config.dedupe
        self._ledger = ledger
        self._erased = erased
        self._given: set[tuple[str, int]] = set()

    def judge(self, leads: pa.Table) -> pa.Table:
        """Screened leads with an outcome for each."""
        if self._erased is not None:
            leads = self._erased.redact(leads)
        verdicts = list(zip(leads["outcome"].to_pylist(), leads["reason"].to_pylist(), strict=True))
        workflows: list[str] = leads["workflow_id"].to_pylist()
        phones: list[int] = leads["phone_key"].to_pylist()
        hashes: list[int] = key_hashes(leads["lead_key"]).tolist()
        undecided: dict[str, list[int]] = {}
        for index in pc.indices_nonzero(pc.is_null(leads["outcome"])).to_pylist():
            undecided.setdefault(workflows[index], []).append(index)
        holders = self._ledger.holders.find(
            undecided.keys(),
            sorted({phones[row] for rows in undecided.values() for row in rows}),
            forgotten_after=self._dedupe,
        )
        for workflow, rows in undecided.items():
            for row in rows:
                given = (workflow, phones[row])
                holder = holders.get(given)
                if holder is None and given not in self._given:
                    self._given.add(given)
                    verdicts[row] = _PLANNED
                else:
                    own = (
                        holder is not None
                        and holder.sync == self._sync
                        and holder.key_hash == hashes[row]
                    )
                    verdicts[row] = held_outcome(holder, own)
        outcomes, reasons = zip(*verdicts, strict=True) if verdicts else ((), ())
        judged = {
            "lead_key": leads["lead_key"],
            "workflow_id": leads["workflow_id"],
            "outcome": pa.array(outcomes, pa.string()),
            "reason": pa.array(reasons, pa.string()),
            "meaning": pa.array([REASONS.get(reason, "") for reason in reasons], pa.string()),
        }
        variables = [name for name in leads.column_names if name.startswith(VARIABLE_PREFIX)]
        return pa.table(judged | {name: leads[name] for name in (*_SCREENED, *variables)})
