"""What a messenger carries: a title, and sentences each with a command and a link."""

import re
from dataclasses import dataclass

from dialnexa_pipeline.masking import mask_phones_in

# A date or a moment has as many digits as a number, and may be read.
_MOMENT = re.compile(r"(\b\d{4}-\d\d-\d\d(?:[ T-]\d\d:\d\d(?::\d\d)?)?\b)")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is told.

    Attributes:
        headline: a few words for the title of a message about it.
        purpose: what the command is for, as in "To lift it".
        command: to be typed in a terminal.
        link: the address of its run.
        more: lines that belong to it.
    """

    text: str
    headline: str = ""
    purpose: str = ""
    command: str | None = None
    link: str | None = None
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A title of one line, and what is told in order."""

    title: str
    items: tuple[Item, ...]


def plain_text(message: Message) -> str:
    """The items of a message as text, without its title."""
    return "\n".join(_plain_lines(message))


def without_numbers(text: str) -> str:
    """A text that somebody else wrote, with whatever may be a phone number masked."""
    pieces = _MOMENT.split(text)
    pieces[::2] = [mask_phones_in(piece) for piece in pieces[::2]]
    return "".join(pieces)


def _plain_lines(message: Message) -> list[str]:
    lines: list[str] = []
    for item in message.items:
        lines.append(f"- {item.text}")
        lines += [f"    {line}" for line in item.more]
        if item.command is not None:
            lines.append(f"    {item.purpose}: {item.command}")
        if item.link is not None:
            lines.append(f"    {item.link}")
    return lines
