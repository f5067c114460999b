"""The messenger for Slack, through Dagster's own integration; the extra `slack` installs it."""

from typing import TYPE_CHECKING

from pydantic import SecretStr

from dialnexa_pipeline.alerts import Message, MessengerFailed, SlackConfig
from dialnexa_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from slack_sdk import WebClient

# Slack shows a text of 4,000 characters whole.
_MOST_CHARACTERS = 3_900
# A tick of a sensor has a minute in all.
_SECONDS = 10
_MEND = {
    "channel_not_found": "check slack.channel, and invite the app to it",
    "not_in_channel": "invite the app to the channel",
    "is_archived": "the channel is archived; choose another",
    "missing_scope": "give the app the scope chat:write, and install it again",
}


class SlackMessenger:
    """Posts to one channel as the app whose bot token it has.

    Raises:
        ConfigError: dagster-slack is not installed.
    """

    def __init__(self, config: SlackConfig, token: SecretStr) -> None:
        try:
            from dagster_slack import SlackResource
        except ModuleNotFoundError:
            raise ConfigError(
                "slack is given, but dagster-slack is not installed: "
                'pip install "dialnexa-pipeline[slack]"'
            ) from None
        self._config = config
        # Never bound to definitions, so the token is in no run's config.
        self._resource = SlackResource(token=token.get_secret_value())

    @property
    def name(self) -> str:
        return f"Slack {self._config.channel}"

    def tell(self, message: Message) -> None:
        """Post a message, in several posts when it is long.

        Raises:
            MessengerFailed: Slack is away, or refuses.
        """
        from slack_sdk.errors import SlackApiError, SlackClientError

        client = self._client()
        try:
            for text in _posts(message):
                client.chat_postMessage(
                    channel=self._config.channel, text=text, unfurl_links=False, unfurl_media=False
                )
        except SlackApiError as error:
            code = str(error.response.get("error") or error.response.status_code)
            mend = _MEND.get(code)
            if mend is None and ("auth" in code or "token" in code):
                mend = f"check {self._config.token_env}"
            raise MessengerFailed(f"Slack refused: {code}{f'; {mend}' if mend else ''}.") from None
        except (SlackClientError, OSError) as error:
            raise MessengerFailed(f"Slack could not be reached: {type(error).__name__}.") from None

    def _client(self) -> "WebClient":
        client = self._resource.get_client()
        client.base_url = self._config.api_url
        client.timeout = _SECONDS
        return client


def _posts(message: Message) -> list[str]:
    """A message as texts in Slack's own markup, cut between lines."""
    posts = [f"*{_escaped(message.title)}*"]
    for line in _lines(message):
        shown = line[:_MOST_CHARACTERS]
        if len(posts[-1]) + 1 + len(shown) > _MOST_CHARACTERS:
            posts.append(shown)
        else:
            posts[-1] += f"\n{shown}"
    return posts


def _lines(message: Message) -> list[str]:
    lines: list[str] = []
    for item in message.items:
        link = f" <{item.link}|Run>" if item.link is not None else ""
        lines.append(f"• {_escaped(item.text)}{link}")
        lines += [f"    {_escaped(line)}" for line in item.more]
        if item.command is not None:
            lines.append(f"    {_escaped(item.purpose)}: `{_escaped(item.command)}`")
    return lines


def _escaped(text: str) -> str:
    """As Slack's documentation asks; nobody's reason can mention a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
