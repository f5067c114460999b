"""Looks at DialNexa before anything is sent; a look that fails holds nothing."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from dialnexa_pipeline.api import CallRefused
from dialnexa_pipeline.components.checks import (
    DESTINATIONS,
    WORKFLOW_STATUS,
    destinations_enabled,
    destinations_unknown,
    workflow_status,
)
from dialnexa_pipeline.components.resources import DialNexaResource
from dialnexa_pipeline.enrolment import Barred, Destinations, SeenWorkflow, look_at_workflows
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger import Batch
from dialnexa_pipeline.sync import SyncConfig


class Preflight:
    """One look at the enabled destinations before planning, one at the workflows after it."""

    def __init__(self, config: SyncConfig, dialnexa: DialNexaResource) -> None:
        self._config = config
        self._dialnexa = dialnexa
        self._unknown = ""
        self.destinations: Destinations | None = None
        if config.preflight != "off":
            self._read_destinations()

    def checks(
        self, barred: Sequence[Barred], batches: Sequence[Batch]
    ) -> list[dg.AssetCheckResult]:
        """The checks that the asset declares (`preflight_checks`), of a plan."""
        planned: Counter[str] = Counter()
        for batch in batches:
            if batch.state == "planned":
                planned[batch.workflow_id] += batch.row_count
        results = [workflow_status(self._config, self._seen(planned), planned)]
        if self.destinations is not None:
            leads = planned.total()
            results.append(destinations_enabled(self.destinations, barred, leads))
        elif self._config.preflight != "off":
            results.append(destinations_unknown(self._unknown))
        return results

    def _read_destinations(self) -> None:
        try:
            with self._dialnexa.client() as client:
                groups = client.enabled_network_groups()
        except CallRefused as refused:
            self._unknown = f"DialNexa answered HTTP {refused.status}: {refused.detail}."
        except DialNexaError as error:
            self._unknown = str(error)
        else:
            self.destinations = Destinations(groups, enforced=self._config.preflight == "enforce")

    def _seen(self, planned: Counter[str]) -> list[SeenWorkflow]:
        if not planned:
            return []
        try:
            with self._dialnexa.client() as client:
                return look_at_workflows(client, planned.keys())
        except DialNexaError as error:
            return [SeenWorkflow(workflow_id, problem=str(error)) for workflow_id in planned]


def preflight_checks(config: SyncConfig) -> list[str]:
    """The names of the checks that a sync's pre-flight gives."""
    return [WORKFLOW_STATUS, *([DESTINATIONS] if config.preflight != "off" else [])]
