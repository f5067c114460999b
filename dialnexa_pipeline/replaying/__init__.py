"""A corrected sheet sent on: the same claims, batches and records as a run of the sync."""

from dialnexa_pipeline.replaying.mending import Mending, Said, mend
from dialnexa_pipeline.replaying.sending import Replayed, RunUnderWay, send_mended
from dialnexa_pipeline.replaying.sheet import SheetRow, read_sheet, variable_columns
from dialnexa_pipeline.replaying.standing import Verdict

__all__ = [
    "Mending",
    "Replayed",
    "RunUnderWay",
    "Said",
    "SheetRow",
    "Verdict",
    "mend",
    "read_sheet",
    "send_mended",
    "variable_columns",
]
