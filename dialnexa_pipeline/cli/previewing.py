"""`dialnexa preview`: what the next run of a sync would do, with nothing claimed or sent."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.progress import under_way
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json

_SAMPLE = 10


def preview(
    sync: Annotated[
        str, typer.Argument(help="A sync of this project.", autocompletion=complete_sync)
    ],
    partition: Annotated[str, typer.Option(help="Its partition; everything by default.")] = "",
    full_scan: Annotated[
        bool, typer.Option("--full-scan", help="Every row, not only what changed.")
    ] = False,
    project: Annotated[Path, typer.Option(help="Folder in which syncs are looked for.")] = Path(),
    as_json: Json = False,
) -> None:
    """Count the leads of a sync by the outcome that a run would plan; nothing is sent."""
    from dialnexa_pipeline.enrolment import SampleRow
    from dialnexa_pipeline.leads import REASONS
    from dialnexa_pipeline.previewing import estimate_files
    from dialnexa_pipeline.previewing import preview as preview_frame
    from dialnexa_pipeline.project import sync_named

    with Sentences():
        with under_way("Rows read", quiet=as_json) as read:
            frame = preview_frame(
                sync, partition=partition, full_scan=full_scan, project=project, note_read=read
            )
        files = estimate_files(frame, sync_named(sync, project))
    leads = frame.to_dict("list")
    of_rows = zip(*(leads[name] for name in ("workflow_id", "outcome", "reason")), strict=True)
    counted = Counter(of_rows)
    rows = sorted(counted.items())
    sample = [
        SampleRow.masked(str(key), str(raw), str(reason))
        for key, raw, reason, outcome in zip(
            *(leads[name] for name in ("lead_key", "raw_phone", "reason", "outcome")), strict=True
        )
        if outcome != "planned" and reason != "duplicate/already_enrolled"
    ][:_SAMPLE]
    if as_json:
        print_json(
            {
                "sync": sync,
                "partition": partition,
                "source_rows": len(frame),
                "counts": [
                    {"workflow_id": workflow, "outcome": outcome, "reason": reason, "leads": count}
                    for (workflow, outcome, reason), count in rows
                ],
                "files": files,
                "sample": [
                    {"lead_key": s.lead_key, "raw_phone": s.raw_phone, "reason": s.reason}
                    for s in sample
                ],
            }
        )
        return
    table = Table("workflow", "outcome", "reason", "leads", "meaning", title=f"{sync}: a preview")
    for (workflow, outcome, reason), count in rows:
        table.add_row(workflow or "(blank)", outcome, reason, f"{count:,}", REASONS.get(reason, ""))
    console.print(table)
    if sample:
        shown = Table("lead", "phone", "reason", title="Some that would not be called")
        for row in sample:
            shown.add_row(row.lead_key, row.raw_phone, row.reason)
        console.print(shown)
    planned = leads["outcome"].count("planned")
    console.print(
        f"{planned:,} of {len(frame):,} source rows would be sent: files and requests "
        f"{sum(files.values()):,}, workflows {len(files):,}. Nothing was claimed or sent.",
        highlight=False,
    )
