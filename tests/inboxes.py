"""Where messages arrive in tests: a real SMTP server, and a mock of Slack's API.

Slack itself cannot run here, so its one method is played by a real HTTP server on loopback that
answers as https://docs.slack.dev/reference/methods/chat.postMessage documents; dagster-slack's and
slack_sdk's own client talk to it.
"""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any
from urllib.parse import parse_qs

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

SLACK_TOKEN = "xoxb-of-a-test"


@dataclass
class SlackApi:
    """What was posted, channel by channel; `refuse` orders the error that is answered."""

    url: str
    posted: list[tuple[str, str]] = field(default_factory=list)
    refuse: str | None = None

    def texts(self) -> list[str]:
        return [text for _, text in self.posted]


@contextmanager
def slack_api() -> Generator[SlackApi]:
    """A mock of Slack's API on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent: dict[str, Any] = (
                json.loads(body)
                if "json" in self.headers["Content-Type"]
                else {name: values[0] for name, values in parse_qs(body).items()}
            )
            answer: dict[str, object] = {"ok": True, "channel": sent.get("channel"), "ts": "1.1"}
            if self.path != "/api/chat.postMessage":
                answer = {"ok": False, "error": "unknown_method"}
            elif self.headers["Authorization"] != f"Bearer {SLACK_TOKEN}":
                answer = {"ok": False, "error": "invalid_auth"}
            elif api.refuse is not None:
                answer = {"ok": False, "error": api.refuse}
            else:
                api.posted.append((sent["channel"], sent["text"]))
            text = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = SlackApi(f"http://127.0.0.1:{server.server_port}/api/")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """Mails that an SMTP server took, and what it refuses; aiosmtpd names the methods."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refuse_address: str | None = None
    refuse_message: bool = False

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        if address == self.refuse_address:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.refuse_message:
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@contextmanager
def smtp_server(
    *, tls: SSLContext | None = None, login: tuple[str, str] = ("", "")
) -> Generator[Mailbox]:
    """A real SMTP server on loopback; with `tls` it wants STARTTLS and the login."""

    def authenticate(*words: Any) -> AuthResult:
        given = words[-1]
        assert isinstance(given, LoginPassword)
        wanted = LoginPassword(login[0].encode(), login[1].encode())
        return AuthResult(success=given == wanted, handled=False)

    mailbox = Mailbox()
    controller = _Controller(
        mailbox,
        hostname="127.0.0.1",
        port=0,
        tls_context=tls,
        require_starttls=tls is not None,
        auth_required=tls is not None,
        authenticator=authenticate if tls is not None else None,
    )
    controller.start()
    mailbox.port = controller.port
    try:
        yield mailbox
    finally:
        controller.stop()


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # The port was left to the system, so nobody knows it before the server is up.
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
