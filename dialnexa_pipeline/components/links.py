"""Links of a materialisation: to the workflow in DialNexa, and to the runs that went before.

A run is linked by its path in the UI, since Dagster does not tell a run the address of its UI.
"""

from collections.abc import Iterable
from urllib.parse import quote

import dagster as dg

from dialnexa_pipeline.enrolment import EarlierRuns
from dialnexa_pipeline.ledger import REPLAY
from dialnexa_pipeline.settings import Settings

_MAX_WORKFLOWS = 20
_MAX_RUNS = 10
_SHORT_ID = 8


def workflow_links(workflow_ids: Iterable[str]) -> dict[str, dg.MetadataValue]:
    """At most 20 workflows as pages of DialNexa; nothing without `DIALNEXA_WORKFLOW_URL`."""
    pattern = Settings.from_environment().workflow_url
    ids = list(dict.fromkeys(filter(None, workflow_ids)))
    if not pattern or not ids:
        return {}
    links = [
        f"[`{name.replace('`', '')}`]({pattern.replace('{workflow_id}', quote(name, safe=''))})"
        for name in ids[:_MAX_WORKFLOWS]
    ]
    more = f" and {len(ids) - _MAX_WORKFLOWS} more" if len(ids) > _MAX_WORKFLOWS else ""
    return {"in_dialnexa": dg.MetadataValue.md(", ".join(links) + more)}


def upstream_run(
    context: dg.AssetExecutionContext, asset: dg.AssetKey | None, *, same_partitions: bool = False
) -> dict[str, dg.MetadataValue]:
    """The run that materialised the upstream asset last, when Dagster knows of one.

    Args:
        same_partitions: the upstream asset has this run's partitions.
    """
    if asset is None:
        return {}
    is_partitioned = context.has_partition_key or context.has_partition_key_range
    partitions = list(context.partition_keys) if same_partitions and is_partitioned else None
    latest = context.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=partitions), limit=1
    ).records
    return {"upstream_run": dg.MetadataValue.dagster_run(latest[0].run_id)} if latest else {}


def earlier_runs_table(earlier: EarlierRuns, wanted: int) -> dg.MetadataValue:
    """Which runs enrolled the leads that are `duplicate/already_enrolled` now, most leads first."""
    runs = list(earlier.leads.items())
    rows = [f"|{leads:,}|{_run_link(run_id)}|" for run_id, leads in runs[:_MAX_RUNS]]
    if len(runs) > _MAX_RUNS:
        others = sum(leads for _, leads in runs[_MAX_RUNS:])
        rows.append(f"|{others:,}|{len(runs) - _MAX_RUNS} other runs|")
    table = "\n".join(["|leads|enrolled by run|", "|-:|-|", *rows])
    if earlier.found >= wanted:
        return dg.MetadataValue.md(table)
    return dg.MetadataValue.md(
        f"{table}\n\nOf {wanted:,}: only the first {earlier.looked_at:,} leads were looked up."
    )


def _run_link(run_id: str) -> str:
    if run_id.startswith(f"{REPLAY}-"):
        # Sent by a command: Dagster has no page of it.
        return f"a replayed sheet ({run_id})"
    return f"[{run_id[:_SHORT_ID]}](/runs/{quote(run_id)})"
