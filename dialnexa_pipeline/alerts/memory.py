"""What one messenger has told already, kept in the cursor of a sensor."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

_VERSION = 1
# A daily partition that failed once and was never run again is not remembered for ever.
_FORGET_AFTER = timedelta(days=60)


class Subject(NamedTuple):
    """What an alert is about; it is told again only when something newer happens to it."""

    kind: str
    sync: str | None
    partition_key: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one messenger.

    Attributes:
        since: what happened before was never told; the moment of the messenger's first tick.
        seen_until: everything up to here was looked at and told.
        told: subject → the moment of the occurrence that was told last, and is not over.
    """

    since: datetime
    seen_until: datetime
    told: Mapping[Subject, datetime]


def new_memory(now: datetime) -> Memory:
    """Of a messenger that has told nothing; runs that failed before are not news."""
    return Memory(now, now, {})


def forget_old(memory: Memory, now: datetime) -> Memory:
    """The same without occurrences of long ago."""
    kept = {
        subject: moment for subject, moment in memory.told.items() if moment > now - _FORGET_AFTER
    }
    return Memory(memory.since, memory.seen_until, kept)


def write_memories(memories: Mapping[str, Memory]) -> str:
    """Messenger → memory, as the text of a cursor."""
    return json.dumps(
        {
            "version": _VERSION,
            "messengers": {
                name: {
                    "since": memory.since.isoformat(),
                    "seen_until": memory.seen_until.isoformat(),
                    "told": [
                        [*subject, moment.isoformat()] for subject, moment in memory.told.items()
                    ],
                }
                for name, memory in memories.items()
            },
        }
    )


def read_memories(cursor: str | None) -> dict[str, Memory]:
    """Messenger → memory; none of a cursor that is empty or was not written by this version."""
    try:
        document = json.loads(cursor or "{}")
        if document.get("version") != _VERSION:
            return {}
        return {
            str(name): Memory(
                datetime.fromisoformat(memory["since"]),
                datetime.fromisoformat(memory["seen_until"]),
                {
                    Subject(*subject): datetime.fromisoformat(moment)
                    for *subject, moment in memory["told"]
                },
            )
            for name, memory in document["messengers"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
