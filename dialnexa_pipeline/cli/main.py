"""Commands of `dialnexa`: each prints plain sentences and ends with a meaningful exit code."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from dialnexa_pipeline.cli.approving import approve
from dialnexa_pipeline.cli.explaining import explain
from dialnexa_pipeline.cli.previewing import preview
from dialnexa_pipeline.cli.records import records
from dialnexa_pipeline.cli.rejected import rejected
from dialnexa_pipeline.cli.replaying import replay
from dialnexa_pipeline.cli.sentences import Sentences, console
from dialnexa_pipeline.cli.standing import batches, status
from dialnexa_pipeline.cli.stopping import resume, stop
from dialnexa_pipeline.cli.withdrawing import withdraw

app = typer.Typer(
    name="dialnexa",
    help="Warehouse rows into DialNexa phone conversations, each person at most once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(preview)
app.command()(status)
app.command()(batches)
app.command()(explain)
app.command()(rejected)
app.command()(replay)
app.command()(approve)
app.command()(stop)
app.command()(resume)
app.command()(withdraw)
app.add_typer(records)


@app.command()
def demo() -> None:
    """Run the whole main job on embedded defaults and print the account of every row."""
    from dialnexa_pipeline.cli.demo import run_demo

    with Sentences():
        run_demo(console)


@app.command()
def dev(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000,
) -> None:
    """Open the Dagster UI on the demo's data, with the sandbox beside it."""
    from dialnexa_pipeline.cli.demo import run_dev

    with Sentences():
        raise typer.Exit(run_dev(console, port))


@app.command()
def doctor(
    project: Annotated[Path, typer.Option(help="Folder in which syncs are looked for.")] = Path(),
) -> None:
    """Check configuration, warehouse, ledger, store, API key and workflows; say how to mend."""
    from dialnexa_pipeline.cli.doctor import examine

    findings = examine(project)
    for finding in findings:
        mark = "[green]ok   [/green]" if finding.ok else "[red]WRONG[/red]"
        console.print(f"{mark} {escape(finding.what)}: {escape(finding.said)}", soft_wrap=True)
        if finding.mend:
            console.print(f"      → {escape(finding.mend)}", soft_wrap=True)
    wrong = sum(not finding.ok for finding in findings)
    console.print("All is well." if not wrong else f"{wrong} of {len(findings)} are wrong.")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def reconcile(
    sync: Annotated[str | None, typer.Option(help="Only this sync's batches.")] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Let held rows that are proved absent be sent again.")
    ] = False,
) -> None:
    """Settle batches in doubt by listing their workflows; nothing is sent."""
    from dialnexa_pipeline.api import DialNexaClient
    from dialnexa_pipeline.enrolment import reconcile as settle_doubts
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.records import record_counts, record_enrolments, record_rejected_rows
    from dialnexa_pipeline.settings import Settings

    with Sentences():
        settings = Settings.from_environment()
        with (
            Ledger(settings.ledger_url) as ledger,
            DialNexaClient(
                settings.base_url,
                settings.api_key,
                read_timeout=settings.read_timeout,
                max_wait=settings.max_wait,
            ) as client,
        ):
            settled = settle_doubts(
                ledger,
                client,
                settle=settings.settle,
                confirm=settings.confirm,
                sync=sync,
                release=release,
            )
            for name in dict.fromkeys(batch.sync for batch in settled):
                record_enrolments(ledger, settings.warehouse_url, name)
                record_rejected_rows(ledger, settings.warehouse_url, name)
                record_counts(ledger, settings.warehouse_url, name)
    if not settled:
        console.print("No batch is in doubt.")
        return
    table = Table("batch", "sync", "workflow", "enrolled", "absent", "still in doubt", "held")
    for batch in settled:
        table.add_row(
            batch.batch_id,
            batch.sync,
            batch.workflow_id,
            str(batch.enrolled),
            str(batch.absent),
            str(batch.waiting),
            str(batch.held),
        )
    console.print(table)
    waiting = sum(batch.waiting for batch in settled)
    if waiting:
        console.print(
            f"{waiting} rows are not listed yet. Absence counts only {settings.settle} after the "
            f"doubt arose and in two listings {settings.confirm} apart; run this again then."
        )
    held = sum(batch.held for batch in settled)
    if held:
        console.print(
            f"{held} rows are proved absent and wait for a person, because their sync says "
            "in_doubt: hold. `dialnexa reconcile --release` lets the next run send them."
        )
    problems = dict.fromkeys(batch.problem for batch in settled if batch.problem is not None)
    for problem in problems:
        console.print(f"[red]{escape(problem)}[/red]", highlight=False)
    if problems:
        raise typer.Exit(1)
    if waiting or held:
        raise typer.Exit(3)


@app.command()
def schema(
    output: Annotated[
        Path | None, typer.Option(help="Write it to this file; print it by default.")
    ] = None,
) -> None:
    """Print the JSON schema by which editors complete and check the YAML of syncs and alerts."""
    from dialnexa_pipeline.yaml_schema import schema_text, write_schema

    with Sentences():
        if output is None:
            typer.echo(schema_text(), nl=False)
            return
        write_schema(output)
    console.print(
        f"{escape(str(output))} is written. Let editors find it by the first line of a document: "
        "# yaml-language-server: $schema=PATH",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8765,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    state: Annotated[
        Path | None, typer.Option(help="State file; default in DIALNEXA_HOME.")
    ] = None,
    api_key: Annotated[str, typer.Option(help="The key that clients must send.")] = (
        "sandbox_key:sandbox_secret"
    ),
) -> None:
    """Start a local DialNexa server that calls nobody."""
    from dialnexa_pipeline.sandbox import run_sandbox
    from dialnexa_pipeline.settings import Settings

    path = state or Settings.from_environment().home / "sandbox.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    run_sandbox(host, port, path, api_key)
