"""The client against an independent mock of the vendor's own OpenAPI document."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from dialnexa_pipeline.api import DialNexaClient

VENDOR = Path(__file__).parents[3] / "shared" / "dialnexa" / "openapi.json"


@pytest.fixture(scope="module")
def prism() -> Generator[DialNexaClient]:
    if shutil.which("npx") is None or not VENDOR.exists():
        pytest.skip("needs npx, and DialNexa's openapi.json, which is not published here")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["npx", "--yes", "@stoplight/prism-cli", "mock", "-h", "127.0.0.1", "-p", str(port)]
    # npx starts the server as a child of its own, which must end too.
    process = subprocess.Popen(
        [*command, str(VENDOR)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        with DialNexaClient(f"http://127.0.0.1:{port}/v1", "id:secret") as client:
            yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


@pytest.mark.servers
def test_every_call_is_understood(prism: DialNexaClient) -> None:
    phones = ["+919876543210"]
    content = b"phone_number\r\n+919876543210\r\n"
    assert prism.upload_leads("workflow_abc123", "b.csv", content, phones=phones).complete
    assert next(prism.list_leads("workflow_abc123")).phone == "+919876543210"
    assert prism.get_workflow("workflow_abc123").status == "active"
    assert prism.list_workflows()
    assert prism.set_workflow_status("workflow_abc123", "pause").id
    assert prism.delete_lead("workflow_abc123", "lead_abc123")
    assert prism.lead_history("workflow_abc123", "lead_abc123")[0].call_id == "call_abc123"
    assert "customer_name" in prism.variable_keys("workflow_abc123")
    assert prism.country_rules()[0].country_iso == "IN"
    assert prism.enabled_network_groups()[0].calling_code == "91"
