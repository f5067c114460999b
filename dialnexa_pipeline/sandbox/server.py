"""Running the sandbox: in the foreground, or as a child process for demos and tests."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import uvicorn

from dialnexa_pipeline.sandbox.app import create_app
from dialnexa_pipeline.sandbox.connections import BreakableProtocol

DEFAULT_API_KEY = "sandbox_key:sandbox_secret"
_START_SECONDS = 30.0


def run_sandbox(host: str, port: int, state_path: Path, api_key: str = DEFAULT_API_KEY) -> None:
    """Serve until interrupted."""
    print(f"DialNexa sandbox: DIALNEXA_BASE_URL=http://{host}:{port}/v1", flush=True)
    print(f"                  DIALNEXA_API_KEY={api_key}", flush=True)
    uvicorn.run(
        create_app(state_path, api_key=api_key),
        host=host,
        port=port,
        log_level="warning",
        http=BreakableProtocol,
    )


class SandboxServer:
    """A sandbox in a child process, for the length of a `with` block.

    Attributes:
        base_url: what `DIALNEXA_BASE_URL` must be.
        control_url: the control path, for faults and counts.
    """

    def __init__(
        self, *, state_path: Path, api_key: str = DEFAULT_API_KEY, port: int | None = None
    ) -> None:
        self.api_key = api_key
        self._state_path = state_path
        self._port = port or _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.base_url = f"http://127.0.0.1:{self._port}/v1"
        self.control_url = f"http://127.0.0.1:{self._port}/_sandbox"

    def __enter__(self) -> "SandboxServer":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the child and wait until it answers.

        Raises:
            RuntimeError: it ended or did not answer within half a minute.
        """
        command = [sys.executable, "-m", "dialnexa_pipeline.sandbox"]
        command += ["--port", str(self._port), "--state", str(self._state_path)]
        command += ["--api-key", self.api_key]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the sandbox ended with code {self._process.returncode}")
            try:
                self.control("GET", "health")
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError("the sandbox did not answer within 30 seconds")

    def stop(self) -> None:
        """End the child; the state file stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def control(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        """Call the control path; returns its JSON."""
        data = json.dumps(document).encode() if document is not None else None
        request = urllib.request.Request(f"{self.control_url}/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def order_fault(self, kind: str, **options: Any) -> None:
        """Order a fault; `faults.Fault` lists the options."""
        self.control("POST", "faults", {"kind": kind, **options})

    def leads(self, workflow_id: str) -> list[dict[str, Any]]:
        """Every lead of a workflow, hidden ones included."""
        return self.control("GET", f"leads?workflow_id={workflow_id}")

    def count_leads(self) -> int:
        """Leads over all workflows."""
        return sum(self.control("GET", "counts").values())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
