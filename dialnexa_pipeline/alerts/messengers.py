"""Those who carry messages: one small protocol, and telling each of them whatever the others do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dialnexa_pipeline.alerts.config import AlertsConfig
from dialnexa_pipeline.alerts.facts import Facts
from dialnexa_pipeline.alerts.memory import Memory, new_memory
from dialnexa_pipeline.alerts.messages import Message
from dialnexa_pipeline.alerts.news import find_news
from dialnexa_pipeline.alerts.wording import alert_message
from dialnexa_pipeline.errors import DialNexaError


class MessengerFailed(DialNexaError):
    """A message was not delivered, or not surely; the sentence says why and holds no secret."""


class Messenger(Protocol):
    """Delivers messages to one channel or list of addresses."""

    @property
    def name(self) -> str:
        """What it is and whom it reaches; its memory is kept by this name."""
        ...

    def tell(self, message: Message) -> None:
        """Deliver a message.

        Raises:
            MessengerFailed: it was not delivered; it is tried again at the next tick.
        """
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one tick.

    Attributes:
        memories: of every messenger; that of one that failed is as it was.
        delivered: messenger → things it told; only those that had something to tell.
        failures: one sentence per messenger that failed.
    """

    memories: Mapping[str, Memory]
    delivered: Mapping[str, int]
    failures: Sequence[str]


def tell_news(
    config: AlertsConfig,
    messengers: Sequence[Messenger],
    facts: Facts,
    memories: Mapping[str, Memory],
) -> Told:
    """Tell each messenger what it has not told yet, in one message.

    Delivery is at least once: a tick that ends between delivery and cursor tells again.
    """
    kept: dict[str, Memory] = {}
    delivered: dict[str, int] = {}
    failures: list[str] = []
    for messenger in messengers:
        memory = memories.get(messenger.name) or new_memory(facts.now)
        news = find_news(config, facts, memory)
        kept[messenger.name] = news.memory
        if not news.items:
            continue
        failure = try_to_tell(messenger, alert_message(news.items))
        if failure is None:
            delivered[messenger.name] = len(news.items)
        else:
            kept[messenger.name] = memory
            failures.append(failure)
    return Told(kept, delivered, failures)


def try_to_tell(messenger: Messenger, message: Message) -> str | None:
    """None when the message was delivered, else a sentence that says why not."""
    try:
        messenger.tell(message)
    except MessengerFailed as error:
        return f"{messenger.name}: {error}"
    except Exception as error:
        # A messenger's defect must not silence the others; its text may hold anything.
        return f"{messenger.name}: the message was not delivered ({type(error).__name__})."
    return None
