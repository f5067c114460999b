"""Messages' ends, real where they can be."""

from collections.abc import Generator

import pytest

from tests.inboxes import Mailbox, smtp_server


@pytest.fixture
def mailbox() -> Generator[Mailbox]:
    with smtp_server() as mailbox:
        yield mailbox
