"""Running the sandbox: in the foreground, or as a child process for demos and tests."""

import contextlib
import json
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import uvicorn

from dialnexa_pipeline.sandbox.app import create_app
from dialnexa_pipeline.sandbox.connections import BreakableProtocol

DEFAULT_API_KEY = "sandbox_key:sandbox_secret"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_ANNOUNCED = "DIALNEXA_BASE_URL="


def run_sandbox(host: str, port: int, state_path: Path, api_key: str = DEFAULT_API_KEY) -> None:
    """Serve until interrupted; prints the base URL and the key once the port is bound.

    Args:
        port: 0 takes any free port.
        state_path: SQLite file, made when it is missing.
    """
    config = uvicorn.Config(
        create_app(state_path, api_key=api_key),
        host=host,
        port=port,
        log_level="warning",
        http=BreakableProtocol,
        proxy_headers=False,  # a reset finds its connection by the real peer
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
    listener = config.bind_socket()
    listener.listen(config.backlog)  # from here on a connection waits instead of being refused
    bound = listener.getsockname()[1]
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else f"[{host}]" if ":" in host else host
    print(f"DialNexa sandbox: {_ANNOUNCED}http://{shown}:{bound}/v1", flush=True)
    print(f"                  DIALNEXA_API_KEY={api_key}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


class SandboxServer:
    """A sandbox in a child process, for the length of a `with` block.

    It ends with the process that started it, even when that one is killed.

    Args:
        state_path: SQLite file; the same file again is the same state.
        port: default is any free port; a second `start` takes the port of the first.
    """

    def __init__(
        self, *, state_path: Path, api_key: str = DEFAULT_API_KEY, port: int | None = None
    ) -> None:
        self.api_key = api_key
        self._state_path = state_path
        self._port = port or 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        """What `DIALNEXA_BASE_URL` must be."""
        return f"{self._origin()}/v1"

    @property
    def control_url(self) -> str:
        """The control path, for faults and counts."""
        return f"{self._origin()}/_sandbox"

    def _origin(self) -> str:
        if self._port == 0:
            raise RuntimeError("the sandbox has no address before it is started")
        return f"http://127.0.0.1:{self._port}"

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
        command = [sys.executable, "-m", "dialnexa_pipeline.sandbox", "--until-stdin-closes"]
        command += ["--port", str(self._port), "--state", str(self._state_path)]
        command += ["--api-key", self.api_key]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process = process
        overdue = threading.Timer(_START_SECONDS, process.kill)
        overdue.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                _, announced, url = line.decode().strip().partition(_ANNOUNCED)
                if announced:
                    self._port = int(url.removesuffix("/v1").rpartition(":")[2])
                    self.control("GET", "health")  # returns once the child serves
                    return
        except OSError as error:
            self.stop()
            raise RuntimeError("the sandbox started and did not answer") from error
        finally:
            overdue.cancel()
        code = process.wait()
        self.stop()
        raise RuntimeError(
            f"the sandbox ended with code {code} before it served; "
            "its own message on standard error says why"
        )

    def stop(self) -> None:
        """End the child; the state file stays."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def control(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        """Call the control path; returns its JSON."""
        data = json.dumps(document).encode() if document is not None else None
        request = urllib.request.Request(f"{self.control_url}/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def order_fault(self, kind: str, **options: Any) -> None:
        """Order a fault; `faults.Fault` lists the options."""
        self.control("POST", "faults", {"kind": kind, **options})

    def behave(self, **settings: Any) -> None:
        """Change how it answers; `behaviour.Behaviour` lists the settings."""
        self.control("POST", "behaviour", settings)

    def advance(self) -> int:
        """One step for each lead of an active workflow; returns how many went on."""
        return self.control("POST", "advance")["advanced"]

    def leads(self, workflow_id: str) -> list[dict[str, Any]]:
        """Every lead of a workflow, hidden ones included."""
        return self.control("GET", f"leads?workflow_id={workflow_id}")

    def count_leads(self) -> int:
        """Leads over all workflows."""
        return sum(self.control("GET", "counts").values())
