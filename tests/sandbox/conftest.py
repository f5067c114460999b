"""A sandbox in a child process, a client with its key, and files to upload."""

from collections.abc import Callable, Generator

import httpx
import pytest

from dialnexa_pipeline.sandbox import SandboxServer

Upload = Callable[..., httpx.Response]


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[SandboxServer]:
    with SandboxServer(state_path=tmp_path_factory.mktemp("sandbox") / "state.db") as server:
        yield server


@pytest.fixture
def sandbox(running: SandboxServer) -> SandboxServer:
    """The sandbox as it is at its first start."""
    running.control("POST", "reset")
    return running


@pytest.fixture
def http(sandbox: SandboxServer) -> Generator[httpx.Client]:
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
def upload(http: httpx.Client) -> Upload:
    """Uploads phones as a CSV file to a workflow."""

    def send(*phones: str, workflow: str = "wf_home_loans", name: str = "b.csv") -> httpx.Response:
        content = "\r\n".join(["phone_number,name", *(f"{phone},Asha" for phone in phones)])
        files = {"file": (name, content.encode())}
        return http.post(f"/workflows/{workflow}/leads", files=files)

    return send
