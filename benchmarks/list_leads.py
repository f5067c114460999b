"""Seconds and peak memory of reconciling against lists of 100,000 and 1,000,000 leads."""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.enrolment import reconcile
from dialnexa_pipeline.ledger import Candidates, Ledger

_SIZES = (100_000, 1_000_000)
_QUICK = (20_000, 100_000)
_DOUBTFUL = 5_000
_LEADS_A_CHUNK = 250
_NOW = timedelta(0)


class _Lists(BaseHTTPRequestHandler):
    """The workflow `wf_N` has N leads, which are made while they are sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        rows = int(self.path.split("/")[-2].removeprefix("wf_"))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._chunk('{"statusCode":200,"message":"ok","data":[')
        for start in range(0, rows, _LEADS_A_CHUNK):
            leads = ",".join(_lead(n) for n in range(start, min(start + _LEADS_A_CHUNK, rows)))
            self._chunk(leads if start == 0 else f",{leads}")
        self._chunk(f'],"count":{rows}}}')
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, text: str) -> None:
        content = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    def log_message(self, format: str, *args: object) -> None:
        pass


def _lead(n: int) -> str:
    return (
        f'{{"id":"lead_{n}","phone_number":"+9198{n:08d}","dynamic_variables":{{"name":"Name {n}",'
        f'"city":"City {n % 50}","amount":"{n}","enrolment_ref":"ref-{n}"}},"status":"pending",'
        '"createdAt":"2026-08-22T10:00:00.000Z"}'
    )


def serve(ports: "multiprocessing.Queue[int]") -> None:
    """Serve until terminated; tells its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lists)
    ports.put(server.server_port)
    server.serve_forever()


def measure(folder: str, port: int, rows: int, results: "multiprocessing.Queue[Any]") -> None:
    """Reconcile a batch in doubt, every row of which is in the list; tells what it cost."""
    workflow = f"wf_{rows}"
    step = rows // _DOUBTFUL
    with Ledger(f"sqlite:///{Path(folder) / 'ledger.db'}") as ledger:
        plan = ledger.plans.begin(sync="bench", partition_key="", run_id="r")
        asked = range(0, rows, step)
        keys = pa.array([f"k{n}" for n in asked])
        phones = pa.array([919800000000 + n for n in asked])
        candidates = Candidates("b", workflow, 0, keys, keys, phones)
        ledger.plans.claim(plan, [candidates], ref_column=None)
        ledger.plans.batch_is_on_disk("b", file_path="f", sha256="s", file_bytes=1)
        ledger.plans.make_ready(plan, source_rows=len(asked), phone_metadata="")
        ledger.batches.start_sending("b", owner="me", run_id="r", lease=-timedelta(minutes=1))
        started = time.perf_counter()
        with DialNexaClient(f"http://127.0.0.1:{port}/v1", "id:secret") as client:
            (settled,) = reconcile(ledger, client, settle=_NOW, confirm=_NOW)
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put((settled.enrolled == len(asked), seconds, peak))


def main() -> int:
    """Print one line per size; exit code 1 when a listed lead was not recognised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    sizes = _QUICK if parser.parse_args().quick else _SIZES
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    server = context.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    port = ports.get()
    print(f"{'leads':>10} {'seconds':>8} {'leads/s':>9} {'peak MB':>8}")
    lost = False
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            results = context.Queue()
            child = context.Process(target=measure, args=(folder, port, rows, results))
            child.start()
            recognised, seconds, peak = results.get()
            child.join()
        lost = lost or not recognised
        print(f"{rows:>10,} {seconds:>8.1f} {rows / seconds:>9,.0f} {peak:>8.0f}")
    server.terminate()
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
