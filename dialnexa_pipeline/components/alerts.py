"""AlertsComponent: one YAML document becomes the sensor, job and schedule that tell people."""

import os
from collections.abc import Sequence

import dagster as dg
from pydantic import BaseModel, SecretStr

from dialnexa_pipeline.alerts import AlertsConfig, MailMessenger, Messenger
from dialnexa_pipeline.components.alerting import alerts_sensor, digest_job, digest_schedule
from dialnexa_pipeline.components.alerts_scaffolding import AlertsScaffolder
from dialnexa_pipeline.components.documents import configured
from dialnexa_pipeline.components.slack import SlackMessenger
from dialnexa_pipeline.errors import ConfigError


@dg.scaffold_with(AlertsScaffolder)
class AlertsComponent(dg.Component):
    """Slack and e-mail are told when a sync needs somebody, and once a day what became of it."""

    def __init__(self, config: AlertsConfig) -> None:
        self.config = config

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return AlertsConfig

    @classmethod
    def load(
        cls, attributes: BaseModel | None, context: dg.ComponentLoadContext
    ) -> "AlertsComponent":
        assert isinstance(attributes, AlertsConfig)
        return cls(configured(attributes, context))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return alerts_definitions(self.config)


def alerts_definitions(config: AlertsConfig) -> dg.Definitions:
    """The definitions of one AlertsComponent; the project around it binds the ledger.

    Raises:
        ConfigError: a token, a password or an extra is missing; the sentence names it.
    """

    def messengers() -> list[Messenger]:
        return list(_messengers(config))

    # Refused now, and not at nine in the evening when there is something to tell.
    messengers()
    digests = [digest_job(config, messengers)] if config.digest is not None else []
    return dg.Definitions(
        sensors=[alerts_sensor(config, messengers)],
        jobs=digests,
        schedules=[
            digest_schedule(config, config.digest, job)
            for job in digests
            if config.digest is not None
        ],
    )


def _messengers(config: AlertsConfig) -> Sequence[Messenger]:
    """Those of a configuration, with secrets as the environment has them now."""
    found: list[Messenger] = []
    if config.slack is not None:
        token = _secret("slack.token_env", config.slack.token_env, "the app's bot token, xoxb-…")
        found.append(SlackMessenger(config.slack, token))
    if config.email is not None:
        password = None
        if config.email.smtp_user is not None:
            password = _secret(
                "email.password_env",
                config.email.password_env,
                f"the password of {config.email.smtp_user}",
            )
        found.append(MailMessenger(config.email, password))
    return found


def _secret(key: str, variable: str, what: str) -> SecretStr:
    value = os.environ.get(variable)
    if not value:
        raise ConfigError(
            f"{variable} is not set; an AlertsComponent reads it by its key {key}. Put {what} into "
            "that environment variable."
        )
    return SecretStr(value)
