"""The `attributes` of an AlertsComponent: who is told, of what, and when."""

from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from dialnexa_pipeline.strict_model import StrictModel

AlertKind = Literal["sync_failed", "in_doubt", "reject_rate", "guard_held", "stopped"]
ALERT_KINDS: tuple[AlertKind, ...] = (
    "sync_failed",
    "in_doubt",
    "reject_rate",
    "guard_held",
    "stopped",
)

# The schema is read before {{ env.… }} is filled in; what it is filled with is read again.
_TEMPLATE = r"\{\{.+\}\}.*"
# A secret's name and never the secret itself, which YAML, run config and git would keep.
_VARIABLE = r"^[A-Z][A-Z0-9_]*$"


class SlackConfig(StrictModel):
    """A Slack channel, written to by an app's bot token (scope `chat:write`)."""

    channel: str = Field(min_length=1, description="Name such as #calls, or the channel's id.")
    token_env: str = Field(
        default="DIALNEXA_SLACK_TOKEN",
        pattern=_VARIABLE,
        description="Environment variable that holds the bot token, xoxb-….",
    )
    api_url: str = Field(
        default="https://slack.com/api/",
        pattern=rf"^(https?://\S+/|{_TEMPLATE})$",
        description="Slack's API; another one for GovSlack.",
    )


class EmailConfig(StrictModel):
    """An SMTP server and who gets the mail; named as Dagster's own e-mail sensor names it."""

    sender: str = Field(pattern=r"^[^\s@]+@[^\s@]+$", description="Address that the mail is from.")
    to: list[str] = Field(min_length=1, description="Addresses that get the mail.")
    smtp_host: str = Field(min_length=1, description="The mail server.")
    smtp_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="Its port; without it 587 for STARTTLS, 465 for SSL, 25 for PLAIN.",
    )
    smtp_type: Literal["STARTTLS", "SSL", "PLAIN"] = Field(
        default="STARTTLS",
        description="How the connection is encrypted; PLAIN, for a relay on your own network, is "
        "not, and takes no password.",
    )
    smtp_user: str | None = Field(
        default=None, min_length=1, description="User to log in as; without it nobody logs in."
    )
    password_env: str = Field(
        default="DIALNEXA_SMTP_PASSWORD",
        pattern=_VARIABLE,
        description="Environment variable that holds the user's password.",
    )

    @field_validator("to")
    @classmethod
    def _are_addresses(cls, given: list[str]) -> list[str]:
        for address in given:
            if address.count("@") != 1 or any(character.isspace() for character in address):
                raise ValueError(f"{address!r} is no e-mail address")
        return given

    @model_validator(mode="after")
    def _keeps_the_password(self) -> "EmailConfig":
        if self.smtp_type == "PLAIN" and self.smtp_user is not None:
            raise ValueError(
                "smtp_user would log in over a connection that is not encrypted; use STARTTLS or "
                "SSL, or leave smtp_user out"
            )
        return self

    @property
    def port(self) -> int:
        return self.smtp_port or {"STARTTLS": 587, "SSL": 465, "PLAIN": 25}[self.smtp_type]


class DigestConfig(StrictModel):
    """When everybody is told who was called, who was not, and why."""

    schedule: str = Field(
        default="0 9 * * *", description="Cron of the digest; it covers what came since the last."
    )
    timezone: str = Field(
        default="UTC",
        description="IANA zone of the schedule and of the moments in every message, for example "
        "Asia/Kolkata.",
    )

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, given: str) -> str:
        if given not in available_timezones():
            raise ValueError(f"timezone {given!r} is not an IANA zone such as Asia/Kolkata or UTC")
        return given


class AlertsConfig(StrictModel):
    """The `attributes` of an AlertsComponent."""

    name: str = Field(
        default="alerts",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Names the sensor and the digest's job; two documents need two names.",
    )
    slack: SlackConfig | None = Field(default=None, description="Tell a Slack channel.")
    email: EmailConfig | None = Field(default=None, description="Tell by e-mail.")
    when: list[AlertKind] = Field(
        default_factory=lambda: list(ALERT_KINDS),
        description="What is told; all of it unless some are named.",
    )
    in_doubt_minutes: int = Field(
        default=30,
        ge=0,
        description="How long a batch is in doubt before somebody hears of it; the reconcile "
        "sensor settles most within 20 minutes.",
    )
    reject_rate: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of a run's rows, refused by screening or by DialNexa, above which "
        "somebody hears of it; counts from 20 rows on.",
    )
    syncs: list[str] = Field(
        default_factory=list, description="Names of the syncs that are watched; none means all."
    )
    webserver_base_url: str | None = Field(
        default=None,
        pattern=rf"^(https?://\S+|{_TEMPLATE})$",
        description="Where the Dagster UI is, so that messages link to runs.",
    )
    digest: DigestConfig | None = Field(
        default=None, description="Send a digest too; without it none is sent."
    )

    @model_validator(mode="after")
    def _tells_somebody(self) -> "AlertsConfig":
        if self.slack is None and self.email is None:
            raise ValueError("nobody would be told; give slack, email or both")
        return self

    def watches(self, sync: str | None) -> bool:
        """Whether messages speak of a sync; None is what concerns every sync."""
        return sync is None or not self.syncs or sync in self.syncs

    @property
    def zone(self) -> str:
        """IANA zone of the moments in messages."""
        return self.digest.timezone if self.digest is not None else "UTC"

    def run_link(self, run_id: str | None) -> str | None:
        """The address of a run in the Dagster UI, where it is known."""
        if self.webserver_base_url is None or run_id is None:
            return None
        return f"{self.webserver_base_url.rstrip('/')}/runs/{run_id}"
