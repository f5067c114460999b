"""The DialNexa client: requests, tolerant readers and errors that say what is known."""

from dialnexa_pipeline.api.client import DialNexaClient
from dialnexa_pipeline.api.errors import (
    ApiError,
    CallRefused,
    FileRefused,
    InDoubt,
    NothingHappened,
    RowsRefused,
    Withheld,
)
from dialnexa_pipeline.api.results import (
    Accepted,
    ListedLead,
    NetworkGroup,
    PositionError,
    RowError,
    VisitedNode,
    Workflow,
)

__all__ = [
    "Accepted",
    "ApiError",
    "CallRefused",
    "DialNexaClient",
    "FileRefused",
    "InDoubt",
    "ListedLead",
    "NetworkGroup",
    "NothingHappened",
    "PositionError",
    "RowError",
    "RowsRefused",
    "VisitedNode",
    "Withheld",
    "Workflow",
]
