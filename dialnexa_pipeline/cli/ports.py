"""Whether a port can be listened on: asked before anything is started that would fail on it."""

import socket

from dialnexa_pipeline.errors import ConfigError


def refuse_taken_port(host: str, port: int, *, least: int = 1) -> None:
    """Refuse what is no port, or one that somebody else listens on.

    Args:
        least: 0 where any free port may be asked for.

    Raises:
        ConfigError: it cannot be listened on; the sentence says why.
    """
    if not least <= port <= 65_535:
        raise ConfigError(f"--port {port} is no port; give a number from {least} to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As servers do: a connection that ended a moment ago keeps no port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"Port {port} of {host} cannot be listened on: {error.strerror}. Give another one "
                "with --port, or end what listens there."
            ) from None
