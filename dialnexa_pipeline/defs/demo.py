"""The job of `make demo`: CRM models, both syncs and the marts, in one run."""

import dagster as dg


@dg.definitions
def demo_job() -> dg.Definitions:
    """Everything in one in-process run, so that a step that sends is never retried."""
    return dg.Definitions(
        jobs=[
            dg.define_asset_job(
                "demo",
                selection=dg.AssetSelection.all(),
                executor_def=dg.in_process_executor,
                description="Build the CRM, run both syncs and build the marts.",
            )
        ]
    )
