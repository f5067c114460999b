"""Who is told what is wrong, and what a day brought: decided here, carried by messengers."""

from dialnexa_pipeline.alerts.config import (
    AlertKind,
    AlertsConfig,
    DigestConfig,
    EmailConfig,
    SlackConfig,
)
from dialnexa_pipeline.alerts.digest import Period, SyncDay, digest_message, read_days
from dialnexa_pipeline.alerts.facts import EndedRun, Facts, LedgerFacts, RunScope, read_ledger
from dialnexa_pipeline.alerts.mail import MailMessenger
from dialnexa_pipeline.alerts.memory import (
    Memory,
    Subject,
    new_memory,
    read_memories,
    write_memories,
)
from dialnexa_pipeline.alerts.messages import Item, Message, plain_text, without_numbers
from dialnexa_pipeline.alerts.messengers import (
    Messenger,
    MessengerFailed,
    Told,
    tell_news,
    try_to_tell,
)
from dialnexa_pipeline.alerts.news import News, Trouble, find_news

__all__ = [
    "AlertKind",
    "AlertsConfig",
    "DigestConfig",
    "EmailConfig",
    "EndedRun",
    "Facts",
    "Item",
    "LedgerFacts",
    "MailMessenger",
    "Memory",
    "Message",
    "Messenger",
    "MessengerFailed",
    "News",
    "Period",
    "RunScope",
    "SlackConfig",
    "Subject",
    "SyncDay",
    "Told",
    "Trouble",
    "digest_message",
    "find_news",
    "new_memory",
    "plain_text",
    "read_days",
    "read_ledger",
    "read_memories",
    "tell_news",
    "try_to_tell",
    "without_numbers",
    "write_memories",
]
