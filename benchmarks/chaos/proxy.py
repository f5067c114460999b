"""A TCP proxy in front of the sandbox that cuts, delays and truncates connections on order."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

_PIECE = 4_096


@dataclass(frozen=True, slots=True)
class Spoil:
    """What happens to one connection.

    Attributes:
        how: `reset` both ends, `close` both ends in order (so a body is truncated), or `stall`.
        direction: whether bytes towards the server (`up`) or the client (`down`) are counted.
        after_bytes: bytes of that direction that still pass.
        seconds: length of a stall; the bytes pass after it, even when the client has gone.
    """

    how: Literal["reset", "close", "stall"]
    direction: Literal["up", "down"]
    after_bytes: int
    seconds: float = 0.0

    def __str__(self) -> str:
        seconds = f" {self.seconds:.1f}s" if self.how == "stall" else ""
        return f"{self.how}{seconds} {self.direction} after {self.after_bytes} bytes"


class Proxy:
    """Forwards a port of its own to the sandbox, for the length of a `with` block."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._orders: deque[Spoil] = deque()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        # asyncio forgets a connection whose client has gone while the server still answers.
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._serve, name="chaos-proxy", daemon=True)
        self.port = 0
        self.spoiled: list[str] = []

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def order(self, spoil: Spoil) -> None:
        """Spoil the next connection that is not spoiled yet."""
        self._orders.append(spoil)

    def clear(self) -> None:
        """Forget what was ordered; connections under way keep their fate."""
        self._orders.clear()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=128)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        open_connections = asyncio.all_tasks(self._loop)
        for task in open_connections:
            task.cancel()
        ended = asyncio.gather(*open_connections, return_exceptions=True)
        self._loop.run_until_complete(ended)
        self._loop.close()

    async def _connected(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        spoil = self._orders.popleft() if self._orders else None
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(to_client)
            return
        both = (to_client, to_server)
        up = self._pump(client, to_server, both, spoil, "up")
        down = self._pump(server, to_client, both, spoil, "down")
        await asyncio.gather(up, down)
        for writer in both:
            writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        spoil: Spoil | None,
        direction: str,
    ) -> None:
        """Forward one direction to its end; a broken end is an end."""
        left = spoil.after_bytes if spoil is not None and spoil.direction == direction else None
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                if left is not None and len(piece) >= left:
                    assert spoil is not None
                    writer.write(piece[:left])
                    await writer.drain()
                    self.spoiled.append(spoil.how)
                    if spoil.how == "stall":
                        await asyncio.sleep(spoil.seconds)
                    else:
                        await asyncio.sleep(0.01)  # what may pass overtakes the end
                        for end in both:
                            _reset(end) if spoil.how == "reset" else end.close()
                        return
                    piece, left = piece[left:], None
                elif left is not None:
                    left -= len(piece)
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, so that the other side's next read fails at once."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
