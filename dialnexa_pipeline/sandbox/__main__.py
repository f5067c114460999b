"""`python -m dialnexa_pipeline.sandbox`: the sandbox as a process of its own."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from dialnexa_pipeline.sandbox.server import DEFAULT_API_KEY, run_sandbox


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dialnexa_pipeline.sandbox")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8765, help="0 for any free port")
    parser.add_argument("--state", type=Path, required=True, help="SQLite file to keep state in")
    parser.add_argument("--api-key", default=DEFAULT_API_KEY)
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end with the process that started it"
    )
    arguments = parser.parse_args()
    if arguments.until_stdin_closes:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    run_sandbox(arguments.host, arguments.port, arguments.state, arguments.api_key)


def _end_with_stdin() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the pipe's other end is gone
    os.kill(os.getpid(), signal.SIGTERM)


main()
