"""Alerts and digest on a real instance, ledger and sandbox; Slack is a mock of its API."""

import re
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from dialnexa_pipeline.alerts import AlertsConfig
from dialnexa_pipeline.components import alerts_definitions, default_resources
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.ledger import Ledger
from tests.components.conftest import BASE, Project
from tests.inboxes import SLACK_TOKEN, Mailbox, SlackApi, slack_api, smtp_server

pytestmark = pytest.mark.servers

DAILY = {
    "source": {**BASE["source"], "updated_at": "updated_at"},
    "partitions": {"every": "day", "start": "2026-01-01"},
}
CARDS = {"name": "cards", "workflow": "wf_credit_cards"}


@dataclass
class Watch:
    """An AlertsComponent over a project; the cursor goes from tick to tick as in the daemon."""

    project: Project
    slack: SlackApi
    mailbox: Mailbox
    cursor: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])

    def definitions(self) -> dg.Definitions:
        config = AlertsConfig.model_validate(
            {
                "slack": {"channel": "#calls", "api_url": self.slack.url},
                "email": {
                    "sender": "dagster@example.com",
                    "to": ["calls@example.com"],
                    "smtp_host": "127.0.0.1",
                    "smtp_port": self.mailbox.port,
                    "smtp_type": "PLAIN",
                },
                "in_doubt_minutes": 0,
                "webserver_base_url": "https://dagster.example.com",
                "digest": {"timezone": "Asia/Kolkata"},
                **self.attributes,
            }
        )
        return dg.Definitions.merge(
            alerts_definitions(config), dg.Definitions(resources=default_resources())
        )

    def tick(self) -> str:
        """Evaluate the sensor; what its tick says in the UI."""
        repository = self.definitions().get_repository_def()
        context = dg.build_sensor_context(
            instance=self.project.instance,
            repository_def=repository,
            cursor=self.cursor,
            resources={"ledger": default_resources()["ledger"]},
        )
        data = repository.get_sensor_def("alerts_sensor").evaluate_tick(context)
        assert not data.run_requests
        self.cursor = data.cursor
        return data.skip_message or ""

    def news(self) -> str:
        """What Slack was told by one more tick; the mail has the same."""
        posts, mails = len(self.slack.posted), len(self.mailbox.mails)
        self.tick()
        told = self.slack.texts()[posts:]
        assert len(self.mailbox.mails) - mails == len(told)
        return "\n".join(told)

    def digest(self) -> dg.ExecuteInProcessResult:
        job = self.definitions().resolve_job_def("alerts_digest")
        return job.execute_in_process(instance=self.project.instance, raise_on_error=False)


@pytest.fixture
def watch(project: Project, monkeypatch: pytest.MonkeyPatch) -> Generator[Watch]:
    monkeypatch.setenv("DIALNEXA_SLACK_TOKEN", SLACK_TOKEN)
    with slack_api() as slack, smtp_server() as mailbox:
        yield Watch(project, slack, mailbox)


def word(project: Project) -> Ledger:
    return Ledger(f"sqlite:///{project.folder / 'ledger.db'}")


def test_a_run_that_failed_is_told_once_and_that_a_later_one_succeeded(watch: Watch) -> None:
    before = watch.project.run(source={**BASE["source"], "table": "elsewhere"})
    assert not before.success
    assert watch.news() == "", "what failed before the first tick is no news"

    failed = watch.project.run(source={**BASE["source"], "table": "elsewhere"})
    told = watch.news()
    assert told.startswith(
        "*DialNexa: Sync loans: the run failed*\n• Sync loans: the run failed at "
    )
    assert "elsewhere" in told
    assert f"<https://dagster.example.com/runs/{failed.run_id}|Run>" in told
    assert "run it again; it calls nobody twice: `dg launch --job loans`" in told
    assert f"https://dagster.example.com/runs/{failed.run_id}" in str(watch.mailbox.mails[0])
    assert watch.news() == ""

    assert watch.project.run(selection=["screened_leads", "lead_batches"]).success
    assert watch.news() == "", "a preview makes no failed run good"
    assert watch.project.run().success
    assert "Settled, sync loans: a later run succeeded." in watch.news()
    assert watch.news() == ""


def test_an_error_of_another_package_is_named_and_not_quoted(watch: Watch) -> None:
    @dg.op
    def quote_a_lead() -> None:
        raise ValueError("could not read Ravi, 98765 43210")

    @dg.job(tags={"dialnexa/sync": "loans"}, executor_def=dg.in_process_executor)
    def loans() -> None:
        quote_a_lead()

    watch.tick()
    loans.execute_in_process(instance=watch.project.instance, raise_on_error=False)
    told = watch.news()
    assert "Step quote_a_lead ended with ValueError; the run's page shows it." in told
    assert "Ravi" not in told


def test_a_held_plan_is_told_with_the_command_and_not_as_a_failed_run_too(watch: Watch) -> None:
    watch.tick()
    guard = {"max_leads": 100}
    assert not watch.project.run(guard=guard).success
    told = watch.news()
    assert "Sync loans is held: 120 leads are planned, more than guard.max_leads = 100." in told
    assert (
        'approve it once: `dialnexa approve loans --reason "…" &amp;&amp; dg launch --job loans`'
        in told
    )
    assert "the run failed" not in told
    assert watch.news() == ""

    assert not watch.project.run(guard=guard).success
    assert "is held" in watch.news(), "another plan is another occurrence"
    with word(watch.project) as ledger:
        ledger.approvals.approve(sync="loans", partition_key="", who="meena", why="launch")
    assert "Settled, sync loans: no plan is held any more." in watch.news()


def test_leads_in_doubt_are_told_after_so_many_minutes_and_when_they_are_settled(
    watch: Watch,
) -> None:
    watch.attributes = {"in_doubt_minutes": 30}
    watch.project.sandbox.order_fault("error_after", status=504, method="POST")
    sent = watch.project.run()
    assert watch.news() == "", "the reconcile sensor has half an hour"

    watch.attributes = {"in_doubt_minutes": 0}
    told = watch.news()
    assert "Sync loans: 1 batch with 50 leads in doubt, the longest for less than a minute." in told
    assert "`dialnexa reconcile --sync loans`" in told
    assert sent.run_id in told
    assert watch.news() == ""

    job = watch.project.definitions().resolve_job_def("loans_reconcile")
    assert job.execute_in_process(instance=watch.project.instance).success
    assert "Settled, sync loans: no batch is in doubt any more." in watch.news()


def test_rows_that_are_held_for_a_person_are_told_with_the_command_that_releases_them(
    watch: Watch,
) -> None:
    watch.project.sandbox.order_fault("error_before", status=504, method="POST")
    watch.project.run(in_doubt="hold")
    job = watch.project.definitions(in_doubt="hold").resolve_job_def("loans_reconcile")
    for _listing in range(2):
        job.execute_in_process(instance=watch.project.instance)
    told = watch.news()
    assert "the sync holds such rows for a person" in told
    assert "`dialnexa reconcile --sync loans --release`" in told


def test_too_many_refused_rows_are_told_for_the_partition_and_when_it_is_mended(
    watch: Watch,
) -> None:
    watch.tick()
    watch.project.fill("UPDATE leads SET mobile = 'gone' WHERE id % 3 = 1 AND id < 60")
    assert watch.project.run(partition="2026-01-02", **DAILY).success
    assert watch.project.run(partition="2026-01-03", **DAILY).success
    told = watch.news()
    assert (
        "Sync loans, partition 2026-01-02: 20 of 40 rows are refused, 50%, more than "
        "reject_rate = 0.2: 20 by screening, 0 by DialNexa." in told
    )
    assert "2026-01-03" not in told
    assert "`dialnexa rejected loans`" in told

    watch.project.fill("UPDATE leads SET mobile = '98764' || lpad(id::varchar, 5, '0')")
    assert watch.project.run(partition="2026-01-02", **DAILY).success
    assert "partition 2026-01-02: the newest run is within reject_rate = 0.2" in watch.news()


def test_rows_that_dialnexa_refuses_count_too(watch: Watch) -> None:
    watch.tick()
    watch.project.fill(
        "UPDATE leads SET mobile = '+4915112' || lpad(id::varchar, 6, '3') WHERE id < 40"
    )
    watch.project.run()
    with word(watch.project) as ledger:
        (account,) = ledger.accounts.latest(sync="loans")
    rejected = account.by_outcome()["rejected"]
    assert f"0 by screening, {rejected} by DialNexa" in watch.news()


def test_a_stop_is_told_without_the_number_in_its_reason_and_when_it_is_lifted(
    watch: Watch,
) -> None:
    with word(watch.project) as ledger:
        ledger.switches.stop(sync=None, who="meena", why="<!channel> +91 98765 43210 complained")
    told = watch.news()
    assert told.startswith(
        "*DialNexa: Every sync is stopped*\n• Every sync was stopped by meena at "
    )
    assert "43210" not in told.replace("****3210", "")
    assert "98765" not in told
    assert "&lt;!channel&gt;" in told
    assert 'To lift it: `dialnexa resume --reason "…"`' in told
    with word(watch.project) as ledger:
        ledger.switches.resume(sync=None, who="meena", why="mended")
    assert "Settled, every sync: the stop is lifted." in watch.news()


def test_only_what_was_chosen_is_told(watch: Watch) -> None:
    watch.attributes = {"when": ["guard_held"], "syncs": ["cards"]}
    watch.tick()
    with word(watch.project) as ledger:
        ledger.switches.stop(sync=None, who="meena", why="x")
    assert not watch.project.run(guard={"max_leads": 1}).success
    assert watch.news() == ""
    assert not watch.project.run(
        name="cards", workflow="wf_credit_cards", guard={"max_leads": 1}
    ).success
    assert "Sync cards is held" in watch.news()


def test_a_messenger_that_fails_loses_nothing_and_keeps_nothing_from_the_others(
    watch: Watch,
) -> None:
    watch.tick()
    watch.slack.refuse = "channel_not_found"
    with word(watch.project) as ledger:
        ledger.switches.stop(sync="loans", who="meena", why="wrong script")
    said = watch.tick()
    assert "e-mail to calls@example.com was told of 1." in said
    assert "Slack refused: channel_not_found; check slack.channel, and invite the app" in said
    assert len(watch.mailbox.mails) == 1

    with pytest.raises(Exception, match="channel_not_found") as red:
        watch.tick()
    assert SLACK_TOKEN not in str(red.value)
    assert len(watch.mailbox.mails) == 1, "the other is not told again"

    watch.slack.refuse = None
    watch.tick()
    assert "wrong script" in watch.slack.texts()[-1]
    assert len(watch.mailbox.mails) == 1


def test_a_sync_runs_while_no_messenger_works(watch: Watch) -> None:
    watch.slack.refuse = "internal_error"
    watch.mailbox.refuse_message = True
    watch.tick()
    assert watch.project.run().success
    assert watch.project.sandbox.count_leads() == 120


def test_there_need_be_no_ledger(watch: Watch) -> None:
    (watch.project.folder / "ledger.db").unlink()
    assert watch.tick() == "Nothing new to tell."
    assert watch.digest().success
    assert "No sync has planned anything yet." in watch.slack.texts()[-1]
    assert not (watch.project.folder / "ledger.db").exists()


def test_no_message_holds_a_number_or_a_variable(watch: Watch) -> None:
    watch.tick()
    watch.project.sandbox.order_fault("error_after", status=504, method="POST")
    watch.project.fill("UPDATE leads SET mobile = '12345' WHERE id < 60")
    watch.project.run()
    watch.tick()
    watch.digest()
    told = "\n".join([*watch.slack.texts(), *(str(mail) for mail in watch.mailbox.mails)])
    assert "in doubt" in told
    for hidden in ("98765", "12345", "Lead "):
        assert hidden not in told


def test_the_digest_says_who_was_called_who_was_not_and_why_since_the_last_one(
    watch: Watch,
) -> None:
    watch.project.fill("UPDATE leads SET mobile = '12345' WHERE id < 20")
    watch.project.sandbox.order_fault("error_after", status=504, method="POST")
    watch.project.run()
    watch.project.run(guard={"max_leads": 1}, **CARDS)
    with word(watch.project) as ledger:
        ledger.switches.stop(sync="cards", who="meena", why="wrong script")
    assert watch.digest().success
    digest = watch.slack.texts()[-1]
    assert digest.startswith("*DialNexa digest: 50 leads enrolled*")
    assert "Asia/Kolkata." in digest
    assert "• Sync loans: 50 enrolled; 1 plan." in digest
    assert "Of 120 source rows: 50 enrolled, 20 invalid, 50 in doubt." in digest
    assert "20 invalid/too_short: Digits are missing;" in digest
    assert "• Sync cards: 0 enrolled; 1 plan, 1 run failed." in digest
    assert re.search("Sync cards was stopped by meena at .{16} Asia/Kolkata: wrong script", digest)
    assert "Sync cards is held: " in digest
    assert "1 batch with 50 leads in doubt" in digest
    assert watch.mailbox.mails[-1]["Subject"] == "DialNexa digest: 50 leads enrolled"

    job = watch.project.definitions().resolve_job_def("loans_reconcile")
    assert job.execute_in_process(instance=watch.project.instance).success
    watch.digest()
    assert "• Sync loans: nothing was planned; 50 enrolled." in watch.slack.texts()[-1]
    watch.digest()
    assert "• Sync loans: nothing was planned.\n" in watch.slack.texts()[-1]


def test_a_digest_that_did_not_reach_everybody_fails_and_is_covered_by_the_next(
    watch: Watch,
) -> None:
    watch.project.run()
    watch.slack.refuse = "is_archived"
    failed = watch.digest()
    assert not failed.success
    assert len(watch.mailbox.mails) == 1
    watch.slack.refuse = None
    assert watch.digest().success
    assert "Sync loans: 120 enrolled; 1 plan." in watch.slack.texts()[-1]


def test_a_long_digest_comes_in_several_posts_that_slack_shows_whole(watch: Watch) -> None:
    watch.project.run()
    watch.attributes = {"syncs": ["loans", *(f"another_sync_{n}" for n in range(300))]}
    assert watch.digest().success
    assert len(watch.slack.posted) > 1
    assert max(len(text) for text in watch.slack.texts()) <= 4_000
    told = "\n".join(watch.slack.texts())
    assert all(f"another_sync_{n}:" in told for n in range(300))


@pytest.mark.parametrize(
    ("attributes", "variable", "said"),
    [
        ({}, "DIALNEXA_SLACK_TOKEN", "DIALNEXA_SLACK_TOKEN is not set; .* key slack.token_env"),
        (
            {
                "email": {
                    "sender": "a@example.com",
                    "to": ["b@example.com"],
                    "smtp_host": "mail",
                    "smtp_user": "a",
                }
            },
            "DIALNEXA_SMTP_PASSWORD",
            "DIALNEXA_SMTP_PASSWORD is not set; .* key email.password_env",
        ),
    ],
)
def test_a_missing_secret_is_refused_when_definitions_load(
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    attributes: dict[str, Any],
    variable: str,
    said: str,
) -> None:
    watch.attributes = attributes
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ConfigError, match=said):
        watch.definitions()


def test_a_missing_extra_is_refused_with_the_command_that_installs_it(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dagster_slack", None)
    with pytest.raises(ConfigError, match=r'pip install "dialnexa-pipeline\[slack\]"'):
        watch.definitions()


def test_secrets_are_in_no_definition(watch: Watch) -> None:
    repository = watch.definitions().get_repository_def()
    assert SLACK_TOKEN not in repr(repository.get_sensor_def("alerts_sensor"))
    assert watch.digest().success
    (run,) = watch.project.instance.get_runs()
    assert SLACK_TOKEN not in str(run)
