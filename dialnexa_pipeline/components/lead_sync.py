"""LeadSyncComponent: one YAML document becomes the assets, checks, job and schedule of a sync."""

import dagster as dg
from pydantic import BaseModel

from dialnexa_pipeline.components.assets import sync_assets
from dialnexa_pipeline.components.automation import automation_sensor
from dialnexa_pipeline.components.documents import configured
from dialnexa_pipeline.components.ended_runs import SYNC_TAG
from dialnexa_pipeline.components.progressed import lead_progress_asset
from dialnexa_pipeline.components.reconciled import reconcile_job, reconcile_sensor
from dialnexa_pipeline.components.scaffolding import LeadSyncScaffolder
from dialnexa_pipeline.components.schedules import sync_schedule
from dialnexa_pipeline.project import refuse_second
from dialnexa_pipeline.sync import ProgressConfig, SyncConfig

# Not the sync's own tag: a long list must not keep a run that sends waiting in the queue.
PROGRESS_TAG = "dialnexa/progress"


@dg.scaffold_with(LeadSyncScaffolder)
class LeadSyncComponent(dg.Component):
    """Rows of a table, query or file become enrolled leads in a DialNexa workflow."""

    def __init__(self, config: SyncConfig) -> None:
        self.config = config

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return SyncConfig

    @classmethod
    def load(
        cls, attributes: BaseModel | None, context: dg.ComponentLoadContext
    ) -> "LeadSyncComponent":
        assert isinstance(attributes, SyncConfig)
        config = configured(attributes, context)
        refuse_second(config.name, context.defs_module_path)
        return cls(config)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return sync_definitions(self.config)


def sync_definitions(config: SyncConfig) -> dg.Definitions:
    """The definitions of one sync; the four resources are bound by the project around it."""
    assets = sync_assets(config)
    # In process: a sync's steps share imports, and nothing that sends may be retried.
    job = dg.define_asset_job(
        config.name,
        selection=dg.AssetSelection.assets(*assets),
        executor_def=dg.in_process_executor,
        tags={SYNC_TAG: config.name},
        description=f"Screen, plan, send and record the sync `{config.name}`.",
    )
    reconciling = reconcile_job(config, {SYNC_TAG: config.name})
    sensors: list[dg.SensorDefinition] = [reconcile_sensor(config, reconciling)]
    if config.automation is not None:
        sensors.append(automation_sensor(config, assets, {SYNC_TAG: config.name}))
    definitions = dg.Definitions(
        assets=assets,
        jobs=[job, reconciling],
        schedules=[sync_schedule(config, config.schedule)] if config.schedule else [],
        sensors=sensors,
    )
    if config.progress is None:
        return definitions
    return dg.Definitions.merge(definitions, _progress_definitions(config, config.progress))


def _progress_definitions(config: SyncConfig, progress: ProgressConfig) -> dg.Definitions:
    """The asset that follows enrolled leads, and its own job: sending never waits for a list."""
    asset = lead_progress_asset(config)
    job = dg.define_asset_job(
        f"{config.name}_progress",
        selection=dg.AssetSelection.assets(asset),
        executor_def=dg.in_process_executor,
        tags={PROGRESS_TAG: config.name},
        description=f"Record how far the enrolled leads of `{config.name}` have come.",
    )
    schedules: list[dg.ScheduleDefinition] = []
    if progress.schedule is not None:
        schedules = [
            dg.ScheduleDefinition(
                name=f"{config.name}_progress_schedule",
                job=job,
                cron_schedule=progress.schedule,
                execution_timezone=config.timezone,
            )
        ]
    return dg.Definitions(assets=[asset], jobs=[job], schedules=schedules)
