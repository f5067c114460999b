"""The demo: a messy CRM, dbt, two syncs and the sandbox, run through Dagster."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger import Account, Ledger
from dialnexa_pipeline.sandbox import SandboxServer
from dialnexa_pipeline.settings import Settings

SYNCS = ("home_loans", "product_offers")
# A call of the demo is over before its result is asked for; in the UI it takes minutes.
_DEMO_STEP_SECONDS, _DEV_STEP_SECONDS = 0.02, 60
# What would lead the demo to somebody's own data, runs or leads.
_LEAD_ELSEWHERE = (
    "DIALNEXA_API_KEY",
    "DIALNEXA_BASE_URL",
    "DIALNEXA_LEDGER_URL",
    "DIALNEXA_STORE_URL",
    "DIALNEXA_WAREHOUSE_URL",
    "DIALNEXA_DBT_TARGET",
    "DIALNEXA_DUCKDB_PATH",
    "DAGSTER_HOME",
    "DAGSTER_PROJECT_ENV_FILE_PATHS",
)
# Runs of one sync queue, whoever launches them. A run whose process was killed is given up in the
# end, because the others would wait for it for ever.
DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
  config:
    tag_concurrency_limits:
      - key: dialnexa/sync
        value:
          applyLimitPerUniqueValue: true
        limit: 1
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  cancel_timeout_seconds: 300
  max_runtime_seconds: 7200
"""


def run_demo(console: Console) -> None:
    """Run the job `demo` against the sandbox and print where every row went.

    Raises:
        DialNexaError: the run failed; the sentence names the failed step's error.
    """
    settings = _embedded(console)
    with _environment(settings) as sandbox:
        sandbox.behave(step_seconds=_DEMO_STEP_SECONDS)
        before = sandbox.count_leads()
        console.print(
            f"Sandbox of DialNexa at {sandbox.base_url}; nobody is called. "
            "Building the CRM with dbt, then running the syncs in Dagster …"
        )
        _run_job(settings)
        with Ledger(settings.ledger_url) as ledger:
            accounts = {sync: ledger.accounts.latest(sync=sync) for sync in SYNCS}
        after = sandbox.count_leads()
    conserved = True
    for sync, parts in accounts.items():
        for account in parts:
            _print_account(console, sync, account)
            conserved = conserved and account.is_conserved
    _print_funnel(console, settings)
    _print_sums(console, accounts, before, after, settings)
    if not conserved:
        raise DialNexaError("The account does not add up; see the table above.")


def run_dev(console: Console, port: int) -> int:
    """The Dagster UI over the demo's data; returns the UI's exit code."""
    settings = _embedded(console)
    with _environment(settings) as sandbox:
        sandbox.behave(step_seconds=_DEV_STEP_SECONDS)
        console.print(f"Sandbox at {sandbox.base_url}. Dagster UI: http://127.0.0.1:{port}")
        # Asked to end, by a keyboard or by a supervisor, the UI ends too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        # A shell that started this in the background has SIGINT ignored, which the UI would
        # inherit and then ignore SIGTERM too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        workspace = Path(__file__).parents[2] / "workspace.yaml"
        command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace)]
        command += ["-p", str(port), "-h", "127.0.0.1"]
        ui = subprocess.Popen(command, cwd=_empty_folder(settings))
        try:
            return ui.wait()
        except KeyboardInterrupt:
            ui.terminate()
            return ui.wait()


def _embedded(console: Console) -> Settings:
    """Settings whose every file lies under the demo's home; this process forgets all others."""
    home = Settings.from_environment().home
    ignored = [name for name in _LEAD_ELSEWHERE if os.environ.pop(name, "")]
    if ignored:
        console.print(
            f"This uses its own files in {home} and its own sandbox; it ignores "
            f"{', '.join(ignored)}.",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    return Settings.from_environment({"DIALNEXA_HOME": str(home)})


def _empty_folder(settings: Settings) -> Path:
    """Where Dagster works: a `.env` beside it would overrule the environment."""
    folder = settings.home / "dagster" / "cwd"
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _environment(settings: Settings) -> Generator[SandboxServer]:
    """Folders, Dagster's home and the sandbox, in this process's environment."""
    dagster_home = settings.home / "dagster"
    dagster_home.mkdir(parents=True, exist_ok=True)
    config = dagster_home / "dagster.yaml"
    if not config.exists():
        config.write_text(DAGSTER_YAML, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(dagster_home)
    os.environ["DIALNEXA_HOME"] = str(settings.home)
    # dbt is looked for on PATH, and the command may have been called without activating it.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if not _manifest_is_fresh():
        # As under `dagster dev`: dagster-dbt parses the dbt project when definitions load.
        os.environ.setdefault("DAGSTER_IS_DEV_CLI", "1")
    os.environ["DIALNEXA_DUCKDB_PATH"] = str(settings.home / "warehouse.duckdb")
    with SandboxServer(state_path=settings.home / "sandbox.db") as sandbox:
        os.environ["DIALNEXA_BASE_URL"] = sandbox.base_url
        os.environ["DIALNEXA_API_KEY"] = sandbox.api_key
        yield sandbox


def _manifest_is_fresh() -> bool:
    """Whether dagster-dbt's parsed copy of the dbt project is newer than every file of it."""
    package = Path(__file__).parents[1]
    project = package.parent / "dbt_project"
    parsed = (package / "defs" / ".local_defs_state").glob("*/project/target/manifest.json")
    newest = max((file.stat().st_mtime for file in parsed), default=0.0)
    skipped = {"target", "logs", "dbt_packages"}
    sources = (
        file
        for file in project.rglob("*")
        if file.is_file() and not skipped.intersection(file.relative_to(project).parts)
    )
    return newest > max((file.stat().st_mtime for file in sources), default=0.0)


def _run_job(settings: Settings) -> None:
    log = settings.home / "demo.log"
    command = [sys.executable, "-m", "dagster", "job", "execute"]
    command += ["-m", "dialnexa_pipeline.definitions", "-j", "demo"]
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            command, stdout=output, stderr=output, check=False, cwd=_empty_folder(settings)
        )
    if done.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-25:])
        raise DialNexaError(f"The demo's run failed; the whole log is in {log}. It ends:\n{tail}")


def _print_account(console: Console, sync: str, account: Account) -> None:
    table = Table("workflow", "outcome", "reason", "leads", title=f"{sync}: every source row")
    table.columns[3].justify = "right"
    for count in sorted(account.counts, key=lambda c: (c.workflow_id, c.outcome, -c.leads)):
        reason = count.reason.partition("/")[2]
        table.add_row(count.workflow_id or "(blank)", count.outcome, reason, f"{count.leads:,}")
    table.add_section()
    table.add_row("", "sum", "", f"{account.accounted_rows:,}")
    table.add_row("", "source rows", "", f"{account.source_rows:,}")
    console.print(table)


def _print_funnel(console: Console, settings: Settings) -> None:
    """From row to call to result, out of the mart that dbt built last."""
    steps = ("leads", "enrolled", "called", "completed", "failed", "dropped")
    table = Table("product", *steps, title="From row to call to result")
    for column in table.columns[1:]:
        column.justify = "right"
    sums = ", ".join(f"sum({step})" for step in steps)
    with duckdb.connect(str(settings.home / "warehouse.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute(
            f"SELECT product, {sums} FROM analytics.conversion_funnel "
            "GROUP BY ROLLUP (product) ORDER BY product NULLS LAST"
        ).fetchall()
    *products, everything = rows
    for product, *numbers in products:
        table.add_row(product or "(blank)", *(f"{number:,}" for number in numbers))
    table.add_section()
    table.add_row("sum", *(f"{number:,}" for number in everything[1:]))
    console.print(table)


def _print_sums(
    console: Console,
    accounts: dict[str, list[Account]],
    before: int,
    after: int,
    settings: Settings,
) -> None:
    every = [account for parts in accounts.values() for account in parts]
    enrolled = sum(account.by_outcome().get("enrolled", 0) for account in every)
    console.print(
        f"Enrolled by this run: {enrolled:,}. The sandbox counted {before:,} leads before and "
        f"{after:,} after: {after - before:,} more."
    )
    if enrolled == 0 and after == before:
        console.print("Nobody was enrolled again: every lead that can be called already is.")
    warehouse = settings.home / "warehouse.duckdb"
    console.print(f"Rejected rows: table dialnexa_rejected_rows in {warehouse}")
    console.print("Open the Dagster UI on this data: make dev, then http://127.0.0.1:3000")
