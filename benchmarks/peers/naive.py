"""The script that people write: pandas `read_sql`, `apply`, `groupby`, `to_csv` and httpx.

Two lines are the sync's policy in its words, so that both keep the same leads: a spreadsheet's
`.0` is taken off, and a number with an extension is left out.
"""

import sys
from pathlib import Path

from benchmarks.peers.columns import VARIABLES
from benchmarks.peers.stopwatch import Stopwatch

_MOST_ROWS, _MOST_BYTES = 5_000, 9_000_000


def main() -> None:
    watch = Stopwatch()
    url, table, base_url, place = sys.argv[1:]
    folder = Path(place)
    import httpx
    import pandas as pd
    import phonenumbers
    import pyarrow as pa
    import pyarrow.csv
    import sqlalchemy as sa

    watch.lap("imports")
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1))
    frame = pd.read_sql(f"SELECT * FROM {table} ORDER BY lead_id", engine)
    watch.lap("read")

    def normalised(row: "pd.Series[str]") -> str | None:
        try:
            number = phonenumbers.parse(row["mobile"], row["country"])
        except phonenumbers.NumberParseException:
            return None
        if number.extension or not phonenumbers.is_valid_number(number):
            return None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    frame["mobile"] = frame["mobile"].str.removesuffix(".0")
    frame["phone_number"] = frame.apply(normalised, axis=1)
    watch.lap("phones")
    frame = frame.dropna(subset="phone_number").drop_duplicates(["workflow_id", "phone_number"])
    watch.lap("duplicates")

    with httpx.Client() as client:

        def upload(workflow: str, rows: pd.DataFrame) -> None:
            content = rows.to_csv(index=False, columns=["phone_number", *VARIABLES]).encode()
            watch.lap("csv")
            if len(content) > _MOST_BYTES:
                upload(workflow, rows.iloc[: len(rows) // 2])
                upload(workflow, rows.iloc[len(rows) // 2 :])
                return
            client.post(
                f"{base_url}/workflows/{workflow}/leads",
                files={"file": ("leads.csv", content, "text/csv")},
            ).raise_for_status()
            watch.lap("upload")

        for workflow, leads in frame.groupby("workflow_id"):
            for start in range(0, len(leads), _MOST_ROWS):
                upload(str(workflow), leads.iloc[start : start + _MOST_ROWS])
    # For the harness and not part of such a script; it takes a tenth of a second a million.
    pairs = pa.table({name: frame[name] for name in ("lead_id", "workflow_id", "phone_number")})
    plain = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    pyarrow.csv.write_csv(pairs, folder / "pairs.csv", plain)
    watch.lap("pairs for the harness")
    watch.tell(folder, len(frame))


main()
