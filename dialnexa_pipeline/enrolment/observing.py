"""A workflow's list as Arrow pieces: what tells each lead's status and whose it is."""

from collections.abc import Collection, Iterator
from itertools import islice

import pyarrow as pa

from dialnexa_pipeline.api import DialNexaClient, ListedLead
from dialnexa_pipeline.enrolment.recognising import digits_of, echoes_a_variable

_PIECE = 20_000
_LISTED = pa.schema(
    [
        ("workflow_id", pa.string()),
        ("lead_id", pa.string()),
        ("phone", pa.string()),
        ("ref", pa.string()),
        ("echoes", pa.bool_()),
        ("status", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
    ]
)


def observe_workflow(
    client: DialNexaClient, workflow_id: str, ref_columns: Collection[str]
) -> Iterator[pa.Table]:
    """Every lead of a workflow, 20,000 at a time; no variable but the correlation value is kept.

    Args:
        ref_columns: headers under which the sync uploaded its correlation values.

    Returns:
        `workflow_id, lead_id, phone` (+E.164), `ref` (empty without one), `echoes` (whether the
        list shows an uploaded column), `status` and `created_at`.

    Raises:
        CallRefused: no such workflow, or not ours.
        ApiError: the list cannot be read to its end.
    """
    leads = client.list_leads(workflow_id)
    while piece := list(islice(leads, _PIECE)):
        yield pa.table(
            [
                pa.repeat(workflow_id, len(piece)),
                [lead.id for lead in piece],
                [f"+{digits_of(lead.phone)}" for lead in piece],
                [_ref(lead, ref_columns) for lead in piece],
                [echoes_a_variable(lead.variables) for lead in piece],
                [lead.status for lead in piece],
                [lead.created_at for lead in piece],
            ],
            schema=_LISTED,
        )


def _ref(lead: ListedLead, ref_columns: Collection[str]) -> str:
    for column in ref_columns:
        ref = lead.variables.get(column, "").strip()
        if ref:
            return ref
    return ""
