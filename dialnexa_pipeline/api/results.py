"""What DialNexa answers, as typed results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Accepted:
    """A readable 2xx answer to an upload.

    Attributes:
        lead_ids: phone → DialNexa's lead ids, as far as the body names them.
        count: how many leads the body says were enrolled; None when it does not say.
        complete: the body accounts for every row that was sent.
    """

    lead_ids: Mapping[str, tuple[str, ...]] = field(repr=False)
    count: int | None
    message: str
    complete: bool

    @property
    def enrolled_phones(self) -> frozenset[str]:
        """Phones that the body names with a lead id."""
        return frozenset(self.lead_ids)


@dataclass(frozen=True, slots=True)
class RowError:
    """Why DialNexa refused a row; `index` is the row's place in the sent file, from 0."""

    index: int | None
    phone: str | None = field(repr=False)
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class PositionError:
    """A refused row that is known by its position alone, as DialNexa counts: from 0, 1 or 2."""

    position: int
    reason: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class ListedLead:
    """One lead of a workflow's list."""

    id: str
    phone: str = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)
    status: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow: draft, active, paused, completed or cancelled (older: running)."""

    id: str
    title: str
    status: str


@dataclass(frozen=True, slots=True)
class NetworkGroup:
    """An enabled destination: a country and the prefixes that may be called."""

    country_iso: str
    country_name: str
    calling_code: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VisitedNode:
    """One step of a lead's history."""

    node_id: str
    node_type: str
    status: str
    call_id: str | None


def workflow_from(data: Mapping[str, Any]) -> Workflow:
    """A workflow out of the vendor's object."""
    return Workflow(
        str(data.get("id", "")), str(data.get("title") or ""), str(data.get("status") or "")
    )
