"""Our contestant: all five assets of a sync in one Dagster run, in this process.

Arguments, as of every contestant: libpq URL, table, base URL of the sink, a folder of its own.
"""

import os
import sys
import time
from pathlib import Path

from benchmarks.peers.stopwatch import Stopwatch

SYNC = "peers"


def main() -> None:
    watch = Stopwatch()
    url, table, base_url, place = sys.argv[1:]
    folder = Path(place)
    os.environ.update(
        DIALNEXA_HOME=place,
        DIALNEXA_WAREHOUSE_URL=url,
        DIALNEXA_BASE_URL=base_url,
        DIALNEXA_API_KEY="id:secret",
    )
    import dagster as dg

    from benchmarks.peers.columns import VARIABLES
    from dialnexa_pipeline.components import default_resources, sync_definitions
    from dialnexa_pipeline.phones import PHONE_TYPES
    from dialnexa_pipeline.sync import SyncConfig

    watch.lap("imports")
    config = SyncConfig.model_validate(
        {
            "name": SYNC,
            "source": {"table": table, "key": "lead_id", "phone": "mobile", "country": "country"},
            "workflow_column": "workflow_id",
            "variables": {name: name for name in VARIABLES},
            "phone_types": sorted(PHONE_TYPES),
        }
    )
    defs = dg.Definitions.merge(
        sync_definitions(config), dg.Definitions(resources=default_resources())
    )
    job = defs.resolve_job_def(SYNC)
    home = folder / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        watch.lap("definitions")
        begun = time.time()
        done = job.execute_in_process(instance=instance)
        run_seconds = watch.lap("between steps")
        steps = instance.get_run_step_stats(done.run_id)
        for step in steps:
            seconds = (step.end_time or 0.0) - (step.start_time or 0.0)
            watch.stages[step.step_key.removeprefix(f"{SYNC}__")] = seconds
            run_seconds -= seconds
        creation = min(step.start_time or begun for step in steps) - begun
        watch.stages["run creation"] = creation
        watch.stages["between steps"] = run_seconds - creation
        kept = sum(
            int(event.materialization.metadata["leads/enrolled"].value or 0)
            for event in done.get_asset_materialization_events()
            if event.asset_key == dg.AssetKey([SYNC, "enrolment_counts"])
        )
    watch.tell(folder, kept)


main()
