"""What Dagster takes by itself: a run of five assets with a sync's names and checks, all empty.

Arguments, as of every contestant; only the folder is used.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers.stopwatch import Stopwatch

SYNC = "peers"
# Asset → the assets before it, and its checks.
ASSETS = {
    "screened_leads": ((), ("keys_unique",)),
    "lead_batches": (
        ("screened_leads",),
        ("destinations", "reject_rate", "volume_guard", "workflow_status"),
    ),
    "enrolments": (
        ("lead_batches",),
        ("conservation", "matches_ledger", "nothing_in_doubt"),
    ),
    "enrolment_counts": (("enrolments",), ("matches_ledger",)),
    "rejected_rows": (("enrolments",), ("matches_ledger",)),
}


def main() -> None:
    watch = Stopwatch()
    folder = Path(sys.argv[-1])
    import dagster as dg

    from benchmarks.peers.dagster_run import run_told

    watch.lap("imports")

    def empty(name: str, before: tuple[str, ...], checks: tuple[str, ...]) -> dg.AssetsDefinition:
        key = dg.AssetKey([SYNC, name])

        @dg.asset(
            key=key,
            deps=[dg.AssetKey([SYNC, each]) for each in before],
            check_specs=[dg.AssetCheckSpec(check, asset=key) for check in checks],
        )
        def materialise() -> Iterator[dg.MaterializeResult[None]]:
            yield dg.MaterializeResult(
                check_results=[
                    dg.AssetCheckResult(check_name=check, passed=True) for check in checks
                ]
            )

        return materialise

    assets = [empty(name, before, checks) for name, (before, checks) in ASSETS.items()]
    job = dg.define_asset_job(SYNC, executor_def=dg.in_process_executor)
    defs = dg.Definitions(assets=assets, jobs=[job])
    run_told(defs.resolve_job_def(SYNC), SYNC, folder, watch)
    watch.tell(folder, 0)


if __name__ == "__main__":
    main()
