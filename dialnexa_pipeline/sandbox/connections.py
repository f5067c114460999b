"""Breaking a TCP connection on purpose, from inside a request."""

import socket
import struct
from asyncio import BaseTransport, Transport
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

_OPEN: dict[tuple[str, int], Transport] = {}


class BreakableProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which remembers its open connections by peer."""

    def connection_made(self, transport: BaseTransport) -> None:  # type: ignore[override]
        super().connection_made(cast("Any", transport))
        # Nobody, when the client has reset the connection already.
        peer = transport.get_extra_info("peername") or ("", 0)
        self._peer = cast("tuple[str, int]", tuple(peer[:2]))
        _OPEN[self._peer] = cast("Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        _OPEN.pop(self._peer, None)
        super().connection_lost(exc)


def reset_connection(peer: tuple[str, int]) -> None:
    """Close with RST: the client's next read fails at once."""
    transport = _OPEN.get((peer[0], peer[1]))
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
