"""The one way to DialNexa: a client as the settings have it."""

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.settings import Settings


def open_client(settings: Settings) -> DialNexaClient:
    """A client to use as a context manager.

    Raises:
        ConfigError: no key is set or it is malformed, or the base URL is not https.
    """
    if not settings.api_key:
        raise ConfigError(
            "DIALNEXA_API_KEY is not set; give the API key from DialNexa's settings in the form "
            "key_id:secret. Nothing was sent."
        )
    return DialNexaClient(
        settings.base_url,
        settings.api_key,
        read_timeout=settings.read_timeout,
        max_wait=settings.max_wait,
    )
