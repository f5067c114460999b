"""Run by the peer's own Python: dlt's custom destination sends leads as its documentation shows.

It imports nothing of this project. Arguments: base URL, API key, workflow, number of leads, rows a
batch, read time-out in seconds. Prints one JSON object.
"""

import json
import sys
import threading

import dlt
import requests


def main() -> None:
    base_url, api_key, workflow = sys.argv[1:4]
    leads, batch_rows = int(sys.argv[4]), int(sys.argv[5])
    timeout = float(sys.argv[6])
    lock = threading.Lock()
    sent = {"rows": 0, "posts": 0}

    @dlt.destination(batch_size=batch_rows, name="dialnexa")
    def dialnexa(items, table):
        content = "phone_number,name\r\n" + "".join(
            f"{item['phone_number']},{item['name']}\r\n" for item in items
        )
        with lock:
            sent["rows"] += len(items)
            sent["posts"] += 1
        requests.post(
            f"{base_url}/workflows/{workflow}/leads",
            headers={"authorization": f"Bearer {api_key}"},
            files={"file": ("leads.csv", content.encode(), "text/csv")},
            timeout=timeout,
        ).raise_for_status()

    @dlt.resource(name="leads")
    def rows():
        for number in range(leads):
            yield {"phone_number": f"+9198765{number:05d}", "name": f"Name {number}"}

    pipeline = dlt.pipeline("peer", destination=dialnexa)
    try:
        info = pipeline.run(rows())
        said = "failure" if info.has_failed_jobs else "success"
    except Exception as error:
        said = f"failure ({type(error).__name__})"
    print(json.dumps({"said": said, **sent}))


main()
