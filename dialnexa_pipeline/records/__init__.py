"""Record tables in the warehouse: enrolments, rejected rows, counts and lead progress."""

from dialnexa_pipeline.records.beside import recording_beside
from dialnexa_pipeline.records.comparing import Difference, differences
from dialnexa_pipeline.records.counting import (
    Tally,
    tally_counts,
    tally_enrolments,
    tally_rejected_rows,
)
from dialnexa_pipeline.records.following import (
    RecordedCount,
    counts_of,
    record_counts,
    record_enrolments,
    record_rejected_rows,
)
from dialnexa_pipeline.records.progress import (
    ProgressRecorder,
    WorkflowProgress,
)
from dialnexa_pipeline.records.rebuilding import rebuild
from dialnexa_pipeline.records.tables import OUTCOMES, record_tables
from dialnexa_pipeline.records.warehouse import (
    WarehouseUnavailable,
    open_records,
    require_writable,
)

__all__ = [
    "OUTCOMES",
    "Difference",
    "ProgressRecorder",
    "RecordedCount",
    "Tally",
    "WarehouseUnavailable",
    "WorkflowProgress",
    "counts_of",
    "differences",
    "open_records",
    "rebuild",
    "record_counts",
    "record_enrolments",
    "record_rejected_rows",
    "record_tables",
    "recording_beside",
    "require_writable",
    "tally_counts",
    "tally_enrolments",
    "tally_rejected_rows",
]
