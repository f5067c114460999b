"""Run by a Python that has dlt and nothing of this project: dlt's custom destination.

Rows come from a server-side cursor, phones go through a map function, and the workflow names the
table, so that a call of the destination holds rows of one workflow. dlt does not deduplicate for
such a destination, so a set does.
"""

import json
import sys
import threading
import time
from pathlib import Path

started = time.perf_counter()

import dlt  # noqa: E402
import httpx  # noqa: E402
import phonenumbers  # noqa: E402
import psycopg  # noqa: E402
from psycopg.rows import dict_row  # noqa: E402

_VARIABLES = ("full_name", "city", "product", "amount", "due_date", "agent", "note")


def main():
    url, table, base_url, folder = sys.argv[1:]
    stages = {"imports": time.perf_counter() - started}
    lock = threading.Lock()
    sent = {"rows": 0}
    client = httpx.Client()

    @dlt.destination(batch_size=5_000, name="dialnexa", naming_convention="direct")
    def dialnexa(items, table):
        lines = [",".join(("phone_number", *_VARIABLES))]
        for item in items:
            cells = [item["phone_number"], *(item[name] for name in _VARIABLES)]
            lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
        content = ("\r\n".join(lines) + "\r\n").encode()
        client.post(
            f"{base_url}/workflows/{table['name']}/leads",
            files={"file": ("leads.csv", content, "text/csv")},
        ).raise_for_status()
        with lock:
            sent["rows"] += len(items)

    seen = set()

    def normalised(lead):
        try:
            number = phonenumbers.parse(lead["mobile"].removesuffix(".0"), lead["country"])
        except phonenumbers.NumberParseException:
            return None
        if number.extension or not phonenumbers.is_valid_number(number):
            return None
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return {**lead, "phone_number": e164}

    def is_first(lead):
        if lead is None or (lead["workflow_id"], lead["phone_number"]) in seen:
            return False
        seen.add((lead["workflow_id"], lead["phone_number"]))
        return True

    @dlt.resource(table_name=lambda lead: lead["workflow_id"])
    def leads():
        with (
            psycopg.connect(url, row_factory=dict_row) as connection,
            connection.cursor("leads") as cursor,
        ):
            cursor.itersize = 5_000
            cursor.execute(f"SELECT * FROM {table} ORDER BY lead_id")
            while rows := cursor.fetchmany(5_000):
                yield rows

    pipeline = dlt.pipeline("peer", destination=dialnexa)
    resource = leads().add_map(normalised).add_filter(is_first)
    for stage, step in (
        ("extract", lambda: pipeline.extract(resource)),
        ("normalize", pipeline.normalize),
        ("load", pipeline.load),
    ):
        begun = time.perf_counter()
        info = step()
        stages[stage] = time.perf_counter() - begun
    info.raise_on_failed_jobs()
    Path(folder, "told.json").write_text(json.dumps({"kept": sent["rows"], "stages": stages}))


main()
