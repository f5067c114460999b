"""Commands of `dialnexa`: each prints plain sentences and ends with a meaningful exit code."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from stamina.instrumentation import set_on_retry_hooks

from dialnexa_pipeline.cli.approving import approve
from dialnexa_pipeline.cli.explaining import explain
from dialnexa_pipeline.cli.previewing import preview
from dialnexa_pipeline.cli.reconciling import reconcile
from dialnexa_pipeline.cli.records import records
from dialnexa_pipeline.cli.rejected import rejected
from dialnexa_pipeline.cli.replaying import replay
from dialnexa_pipeline.cli.sentences import EXIT_CODES, Json, Sentences, console, print_json
from dialnexa_pipeline.cli.standing import batches, status
from dialnexa_pipeline.cli.stopping import resume, stop
from dialnexa_pipeline.cli.withdrawing import withdraw


def _before_every_command() -> None:
    # Of each repeated request stamina writes a line on standard output, where JSON goes.
    set_on_retry_hooks([])


app = typer.Typer(
    name="dialnexa",
    help="Warehouse rows into DialNexa phone conversations, each person at most once.",
    epilog=EXIT_CODES,
    callback=_before_every_command,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    preview,
    status,
    batches,
    explain,
    rejected,
    replay,
    reconcile,
    approve,
    stop,
    resume,
    withdraw,
):
    app.command(epilog=EXIT_CODES)(command)
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
    from dialnexa_pipeline.cli.ports import refuse_taken_port

    with Sentences():
        refuse_taken_port("127.0.0.1", port)
        raise typer.Exit(run_dev(console, port))


@app.command(epilog=EXIT_CODES)
def doctor(
    project: Annotated[Path, typer.Option(help="Folder in which syncs are looked for.")] = Path(),
    as_json: Json = False,
) -> None:
    """Check configuration, warehouse, ledger, store, API key and workflows; end with the next step.

    Exit code 1 when something is wrong.
    """
    from dialnexa_pipeline.cli.doctor import examine
    from dialnexa_pipeline.cli.next_step import next_step
    from dialnexa_pipeline.project import find_syncs

    findings = examine(project)
    sound = [found.config for found in find_syncs(project) if found.config is not None]
    step = next_step(findings, sound)
    wrong = sum(not finding.ok for finding in findings)
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings], "next": step})
        raise typer.Exit(1 if wrong else 0)
    for finding in findings:
        mark = "[green]ok   [/green]" if finding.ok else "[red]WRONG[/red]"
        console.print(f"{mark} {escape(finding.what)}: {escape(finding.said)}", soft_wrap=True)
        if finding.mend:
            console.print(f"      → {escape(finding.mend)}", soft_wrap=True)
    console.print("All is well." if not wrong else f"{wrong} of {len(findings)} are wrong.")
    console.print(f"Next: {escape(step)}", soft_wrap=True, highlight=False)
    raise typer.Exit(1 if wrong else 0)


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
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any.")] = 8765,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    state: Annotated[
        Path | None, typer.Option(help="State file; default in DIALNEXA_HOME.")
    ] = None,
    api_key: Annotated[str, typer.Option(help="The key that clients must send.")] = (
        "sandbox_key:sandbox_secret"
    ),
) -> None:
    """Start a local DialNexa server that calls nobody."""
    from dialnexa_pipeline.cli.ports import refuse_taken_port
    from dialnexa_pipeline.sandbox import run_sandbox
    from dialnexa_pipeline.settings import Settings

    with Sentences():
        refuse_taken_port(host, port, least=0)
        path = state or Settings.from_environment().home / "sandbox.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    run_sandbox(host, port, path, api_key)
