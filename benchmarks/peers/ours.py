"""Our contestant: all five assets of a sync in one Dagster run, in this process.

Arguments, as of every contestant: libpq URL, table, base URL of the sink, a folder of its own.
"""

import os
import sys
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
    from benchmarks.peers.dagster_run import run_told
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
    done = run_told(defs.resolve_job_def(SYNC), SYNC, folder, watch)
    kept = sum(
        int(event.materialization.metadata["leads/enrolled"].value or 0)
        for event in done.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey([SYNC, "enrolment_counts"])
    )
    watch.tell(folder, kept)


main()
