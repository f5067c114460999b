"""A port that cannot be listened on is told in one sentence, before anything is started."""

import socket
from pathlib import Path

import pytest

from tests.components.test_commands import command

pytestmark = pytest.mark.servers


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIALNEXA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("name", ["dev", "sandbox"])
def test_a_port_that_is_in_use_is_named(name: str, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = command(name, "--port", port, exit_code=1)
    assert said == (
        f"Port {port} of 127.0.0.1 cannot be listened on: Address already in use. Give another "
        "one with --port, or end what listens there."
    )
    assert not home.exists()


@pytest.mark.parametrize(
    ("name", "port", "least"), [("dev", "70000", 1), ("dev", "0", 1), ("sandbox", "-1", 0)]
)
def test_what_is_no_port_is_refused(name: str, port: str, least: int) -> None:
    said = command(name, "--port", port, exit_code=1)
    assert said == f"--port {port} is no port; give a number from {least} to 65535."
