"""A real server on loopback that answers by script, down to the byte."""

import socket
import struct
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import pytest

from dialnexa_pipeline.api import DialNexaClient


@dataclass
class ScriptedServer:
    """Answers each request with the next item.

    An item is bytes to send, the word `reset`, `reset early` (before the body is read), or a
    function that is given the connection.
    """

    answers: list[bytes | str | Callable[[socket.socket], None]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    port: int = 0

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                answer = self.answers.pop(0) if self.answers else b""
                early = answer == "reset early"
                self.requests.append(connection.recv(64) if early else _read_request(connection))
                if answer == "reset" or early:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                elif isinstance(answer, bytes):
                    connection.sendall(answer)
                elif callable(answer):
                    answer(connection)

    def client(self, api_key: str = "id:secret", **options: float) -> DialNexaClient:
        return DialNexaClient(f"http://127.0.0.1:{self.port}/v1", api_key, **options)


def answer(status: int, body: str, headers: Sequence[str] = ()) -> bytes:
    """An HTTP/1.1 response that ends its connection."""
    content = body.encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}", "connection: close"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + content


def _read_request(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(h.split(b":")[1])
            for h in head.split(b"\r\n")
            if h.lower().startswith(b"content-length")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def server() -> Generator[ScriptedServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scripted = ScriptedServer(port=listener.getsockname()[1])
        threading.Thread(target=scripted.serve, args=(listener,), daemon=True).start()
        yield scripted
