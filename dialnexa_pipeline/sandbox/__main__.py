"""`python -m dialnexa_pipeline.sandbox`: the sandbox as a process of its own."""

import argparse
from pathlib import Path

from dialnexa_pipeline.sandbox.server import DEFAULT_API_KEY, run_sandbox

parser = argparse.ArgumentParser(prog="dialnexa sandbox")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8765)
parser.add_argument("--state", type=Path, required=True)
parser.add_argument("--api-key", default=DEFAULT_API_KEY)
arguments = parser.parse_args()
run_sandbox(arguments.host, arguments.port, arguments.state, arguments.api_key)
