"""The UI in a real browser, after the demo: an operator launches, backfills, and reads why.

Each page is kept as a picture in `build/screenshots/`, for people to look at.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from dialnexa_pipeline.leads import REASONS
from dialnexa_pipeline.sandbox import SandboxServer
from tests.acceptance.dagster_ui import Ui, running_ui, wait_until

Found = TypeVar("Found")
ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
# A loaded machine takes minutes for what takes one otherwise.
PATIENCE = 90
DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
# The demo's sync, and the same leads day by day into a workflow of their own.
DEFINITIONS = f"""\
from pathlib import Path

import dagster as dg
from dialnexa_pipeline.components import default_resources, sync_definitions
from dialnexa_pipeline.project import sync_named
from dialnexa_pipeline.sync import SyncConfig

loans = sync_named("home_loans", Path({str(ROOT)!r}))
daily = SyncConfig.model_validate(
    loans.model_dump(exclude_unset=True)
    | {{
        "name": "home_loans_daily",
        "workflow": "wf_reactivation",
        "schedule": None,
        "partitions": {{"every": "day", "start": "2026-01-01"}},
    }}
)
defs = dg.Definitions.merge(
    sync_definitions(loans),
    sync_definitions(daily),
    dg.Definitions(resources=default_resources()),
)
"""

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        BROWSER is None or DRIVER is None,
        reason="no browser here: install chromium and chromium-driver to run these tests",
    ),
]


class Operator:
    """Somebody with the UI open in a browser."""

    def __init__(self, browser: webdriver.Chrome, ui: Ui) -> None:
        self.ui = ui
        self._browser = browser
        self._waiting = WebDriverWait(browser, PATIENCE)

    def opens(self, path: str) -> None:
        self._browser.get(f"{self.ui.address}{path}")

    def sees(self, *texts: str) -> None:
        """Each text is on the page, now or soon."""
        for text in texts:
            self._awaits(lambda _, text=text: text in self.page, f"nothing says {text!r}")

    @property
    def page(self) -> str:
        return self._browser.find_element(By.TAG_NAME, "body").text

    def clicks(self, label: str) -> None:
        self._labelled("button", label).click()

    def types(self, text: str, *, after: str) -> None:
        """Into the field that follows a label of the dialog."""
        path = f"(//*[normalize-space()={after!r}]/following::input[@type='text'])[1]"
        field = self._awaits(lambda browser: browser.find_element(By.XPATH, path), "no field")
        field.send_keys(text, Keys.ENTER)

    def keeps(self, name: str) -> None:
        self._browser.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def link(self, label: str) -> str:
        return str(self._labelled("a", label).get_attribute("href"))

    def pictures(self) -> list[tuple[int, str]]:
        """Width and source of each picture that is drawn in a table."""
        found = self._browser.find_elements(By.CSS_SELECTOR, "td img")
        return [(each.size["width"], str(each.get_attribute("src"))) for each in found]

    def _labelled(self, tag: str, label: str) -> WebElement:
        path = f"//{tag}[contains(normalize-space(), {label!r}) and not(@disabled)]"

        def shown(browser: webdriver.Chrome) -> WebElement | None:
            found = browser.find_elements(By.XPATH, path)
            return next((each for each in found if each.is_displayed()), None)

        return self._awaits(shown, f"no {tag} {label!r}")

    def _awaits(self, method: Callable[[webdriver.Chrome], Found | None], missing: str) -> Found:
        """What a method finds in the end; a picture of the page when it finds nothing."""
        try:
            return self._waiting.until(method, missing)  # type: ignore[return-value]
        except TimeoutException:
            self.keeps("not_found")
            raise


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Generator[Ui]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "project.py").write_text(DEFINITIONS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DIALNEXA_HOME", str(folder))
        demo = [str(Path(sys.executable).with_name("dialnexa")), "demo"]
        subprocess.run(demo, cwd=ROOT, check=True, capture_output=True)
        with SandboxServer(state_path=folder / "sandbox.db") as sandbox:
            environment.setenv("DIALNEXA_BASE_URL", sandbox.base_url)
            environment.setenv("DIALNEXA_API_KEY", sandbox.api_key)
            with running_ui(folder, folder / "dagster") as ui:
                yield ui


@pytest.fixture(scope="module")
def operator(ui: Ui) -> Generator[Operator]:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    # No sandbox of the browser's own: it refuses to start as root, as in a container of CI.
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.add_argument("--window-size=1600,1800")
    service = webdriver.ChromeService(DRIVER, env={**os.environ, "SE_OFFLINE": "true"})
    browser = webdriver.Chrome(options, service)
    try:
        yield Operator(browser, ui)
    finally:
        browser.quit()


def partitions(ui: Ui) -> set[str]:
    """Days of the daily sync whose record tables were written."""
    with ui.instance() as instance:
        key = dg.AssetKey(["home_loans_daily", "rejected_rows"])
        return set(instance.get_materialized_partitions(key))


def test_the_nine_o_clock_question_is_answered_on_one_page(operator: Operator) -> None:
    operator.opens("/assets/home_loans/enrolments?view=events")
    operator.sees("Materialized in run", "1,856", "366 invalid", "60 duplicate", "60 rejected")
    operator.sees("invalid/too_short", REASONS["invalid/too_short"], "wf_home_loans")
    bars = operator.pictures()
    assert [width for width, _ in bars] == [120, 96, 92, 89]
    assert all(source.startswith("data:image/png;base64,") for _, source in bars)
    operator.keeps("enrolments")


def test_an_asset_says_in_plain_words_what_it_does(operator: Operator) -> None:
    operator.opens("/assets/home_loans/screened_leads")
    operator.sees("analytics.leads_to_call, a row for each lead_id", "nothing else", "Description")
    operator.keeps("screened_leads")


def test_rejected_rows_are_read_with_reasons_and_masked_numbers(operator: Operator) -> None:
    operator.opens("/assets/home_loans/rejected_rows?view=events")
    operator.sees("486", "invalid/scientific_notation", "enter it again as text", "****")
    operator.sees("dialnexa rejected home_loans --xlsx mend.xlsx")
    operator.keeps("rejected_rows")


def test_checks_say_what_to_do(operator: Operator) -> None:
    operator.opens("/assets/home_loans/screened_leads?view=checks&checkDetail=required_variables")
    operator.sees(
        "required_variables", "name in 39 (source column full_name)", "Fill the columns in"
    )
    operator.keeps("checks")


def test_a_sync_is_launched_and_enrols_nobody_twice(operator: Operator) -> None:
    operator.opens("/locations/project.py/jobs/home_loans")
    operator.clicks("Materialize all")
    operator.sees("Launched run")
    wait_until(operator.ui.is_idle)
    operator.opens("/assets/home_loans/lead_batches?view=events")
    operator.sees("duplicate/already_enrolled", REASONS["duplicate/already_enrolled"])
    operator.sees("enrolled by run")
    operator.keeps("launched_again")
    with operator.ui.instance() as instance:
        runs = instance.get_runs()
    assert [(run.job_name, run.status.value) for run in runs] == [
        ("home_loans", "SUCCESS"),
        ("demo", "SUCCESS"),
    ]
    assert operator.link(runs[1].run_id[:8]).endswith(f"/runs/{runs[1].run_id}")


def test_a_three_day_backfill_is_launched_from_the_ui(operator: Operator) -> None:
    operator.opens("/locations/project.py/jobs/home_loans_daily")
    operator.clicks("Materialize all")
    operator.clicks("Show all partitions")
    operator.types(f"[{DAYS[0]}...{DAYS[-1]}]", after="Partition selection")
    operator.sees("3 partitions")
    operator.keeps("backfill_dialog")
    operator.clicks("Launch")
    wait_until(lambda: partitions(operator.ui) == set(DAYS))
    operator.opens(f"/assets/home_loans_daily/enrolments?view=partitions&partition={DAYS[0]}")
    operator.sees("Materialized (3)", "wf_reactivation", "funnel")
    operator.keeps("backfill")
