"""The demo's dbt project in Dagster, without the second dbt that Dagster would start beside it."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProjectComponent


class _LeanDbtCli(DbtCliResource):
    """dbt as a child process only.

    Before each call dagster-dbt loads a dbt adapter into its own process, for row counts that the
    demo does not fetch; that costs more time than the demo's models.
    """

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


class CrmDbtComponent(DbtProjectComponent):
    """The CRM's seeds and models, and the marts over the record tables."""

    def execute(self, context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        yield from super().execute(
            context, _LeanDbtCli(project_dir=str(self.dbt_project.project_dir))
        )
