"""A ledger with batches in doubt, and a server that lists what a test says, in either form."""

import json
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.ledger import Ledger

Lead = dict[str, Any]


class ListServer:
    """Answers the leads of each workflow on loopback.

    Attributes:
        leads: workflow → its list; a workflow that is not named is answered 404.
        page_rows: leads in a page; None for one body.
        during: called once while a listing is under way.
        listings: workflows in the order they were listed.
    """

    def __init__(self) -> None:
        self.leads: dict[str, list[Lead]] = {"wf": []}
        self.page_rows: int | None = None
        self.during: Callable[[], None] | None = None
        self.listings: list[str] = []
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, document = answer(self.path)
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def client(self) -> DialNexaClient:
        return DialNexaClient(f"http://127.0.0.1:{self._server.server_port}/v1", "id:secret")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(path)
        workflow_id = parts.path.split("/")[-2]
        number = int(parse_qs(parts.query).get("page", ["1"])[0])
        if number == 1:
            self.listings.append(workflow_id)
        leads = self.leads.get(workflow_id)
        if leads is None:
            return 404, {"statusCode": 404, "message": "Workflow not found"}
        answered = list(leads)
        during, self.during = self.during, None
        if during is not None:
            during()
        if self.page_rows is None:
            return 200, {"statusCode": 200, "data": answered, "count": len(answered)}
        start = (number - 1) * self.page_rows
        pages = -(-len(answered) // self.page_rows)
        meta = {"page": number, "limit": self.page_rows, "total": len(answered)}
        return 200, {
            "data": answered[start : start + self.page_rows],
            "meta": {**meta, "totalPages": pages},
        }


@pytest.fixture
def server() -> Generator[ListServer]:
    running = ListServer()
    yield running
    running.close()


@pytest.fixture
def ledger(sqlite_ledger_url: str) -> Generator[Ledger]:
    with Ledger(sqlite_ledger_url) as opened:
        yield opened
