"""Pre-flight of workflows: what DialNexa says of each one that leads are planned for."""

from collections.abc import Set
from dataclasses import dataclass

from dialnexa_pipeline.api import ApiError, CallRefused, DialNexaClient

# DialNexa's words for workflows that call later, now, and never again.
ASLEEP = frozenset({"draft", "paused"})
AWAKE = frozenset({"active", "running"})
ENDED = frozenset({"completed", "cancelled"})
# More workflows than this are looked up in the list of all, a hundred at a time.
_ONE_BY_ONE = 5
_NOT_THERE = frozenset({403, 404})


@dataclass(frozen=True, slots=True)
class SeenWorkflow:
    """What a look at a workflow showed.

    Attributes:
        status: DialNexa's word; None when it did not tell.
        is_missing: it does not exist, or belongs to another workspace.
        problem: why it could not be looked at.
    """

    workflow_id: str
    status: str | None = None
    is_missing: bool = False
    problem: str | None = None


def look_at_workflows(client: DialNexaClient, wanted: Set[str]) -> list[SeenWorkflow]:
    """The status of each workflow, by id; a call that fails is not followed by more of them."""
    seen: dict[str, SeenWorkflow] = {}
    problem: str | None = None
    if len(wanted) > _ONE_BY_ONE:
        try:
            statuses = {each.id: each.status for each in client.list_workflows()}
        except ApiError as error:
            problem = str(error)
        else:
            seen = {each: SeenWorkflow(each, statuses[each]) for each in wanted & statuses.keys()}
    for workflow_id in sorted(wanted - seen.keys()):
        if problem is not None:
            seen[workflow_id] = SeenWorkflow(workflow_id, problem=problem)
            continue
        try:
            status = client.get_workflow(workflow_id).status
            seen[workflow_id] = SeenWorkflow(workflow_id, status)
        except ApiError as error:
            if isinstance(error, CallRefused) and error.status in _NOT_THERE:
                seen[workflow_id] = SeenWorkflow(workflow_id, is_missing=True)
            else:
                problem = str(error)
                seen[workflow_id] = SeenWorkflow(workflow_id, problem=problem)
    return [seen[workflow_id] for workflow_id in sorted(seen)]
