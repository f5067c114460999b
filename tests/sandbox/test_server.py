"""The sandbox as a process: its state stays, its port is its own, it ends with its owner."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from dialnexa_pipeline.sandbox import DEFAULT_API_KEY, SandboxServer

CSV = b"phone_number\r\n+919876543210"
OWNER = """
import sys, time
from pathlib import Path
from dialnexa_pipeline.sandbox import SandboxServer
server = SandboxServer(state_path=Path(sys.argv[1]))
server.start()
print(server.base_url, flush=True)
time.sleep(60)
"""


def enrol(server: SandboxServer) -> None:
    headers = {"authorization": f"Bearer {server.api_key}"}
    path = f"{server.base_url}/workflows/wf_home_loans/leads"
    httpx.post(path, headers=headers, files={"file": ("b.csv", CSV)}).raise_for_status()


def test_state_and_address_survive_a_restart(tmp_path: Path) -> None:
    server = SandboxServer(state_path=tmp_path / "deep" / "state.db")
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = server.base_url
    with server:
        address = server.base_url
        enrol(server)
        headers = {"authorization": f"Bearer {DEFAULT_API_KEY}"}
        path = f"{address}/workflows/wf_insurance/status"
        httpx.patch(path, headers=headers, json={"action": "pause"}).raise_for_status()
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)
    with server:
        enrol(server)
        assert server.base_url == address
        assert server.count_leads() == 2
        workflow = httpx.get(f"{address}/workflows/wf_insurance", headers=headers).json()["data"]
        assert workflow["status"] == "paused"


def test_a_taken_port_is_an_error_not_somebody_elses_server(
    sandbox: SandboxServer, tmp_path: Path
) -> None:
    port = int(sandbox.base_url.removesuffix("/v1").rpartition(":")[2])
    second = SandboxServer(state_path=tmp_path / "state.db", port=port)
    with pytest.raises(RuntimeError, match="ended with code"):
        second.start()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "state.db")]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        url = owner.stdout.readline().strip()
        assert httpx.get(f"{url}/workflows").status_code == 401
        owner.kill()
        owner.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            httpx.get(url)
        except httpx.TransportError:
            return
        time.sleep(0.1)
    pytest.fail("the sandbox outlived its owner")
