"""`python -m benchmarks.peers.leads`: a table of messy leads in PostgreSQL, the same every time.

A process of its own: what a harness holds in memory would count as the peak of its children.
"""

import argparse
import io
from collections.abc import Iterator

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.csv

from benchmarks.peers.columns import COLUMNS
from benchmarks.phone_speed import messy_phones

_BLOCK_ROWS = 100_000
_WORKFLOWS = 40
# Of all rows; of those, the share that stays in the workflow of the row it repeats.
_REPEATED = 0.1
_SAME_WORKFLOW = 0.9
_FIRST = ["Asha", "Ravi", "Zoë", "Mary Ann", "José", "Li", "Priya", "O'Neil", "आशा", "Fatima"]
_LAST = ["Rao", "Müller", "Smith, Jr.", "Khan", "Iyer", "Brown", "Al-Sayed", "Nair", "Das", "Lee"]
_CITIES = ["Pune", "Mumbai", "New York", "Köln", "Abu Dhabi", "London", "Jaipur", "Kochi"]
_PRODUCTS = ["Home loan", "Gold loan", "Car loan, used", "Personal loan", "Top-up"]
_NOTES = [
    "Asked to be called back, any day after 6 pm",
    'Said "not before the first of the month"',
    "Prefers Hindi; has spoken to us about the balance transfer before",
    "Came by the branch and left the papers with the manager",
    "",
]


def blocks(rows: int, seed: int = 1) -> Iterator[pa.Table]:
    """The first `rows` leads of a seed, in the order of their key."""
    earlier: list[tuple[str, str, str]] = []
    for number, first in enumerate(range(0, rows, _BLOCK_ROWS)):
        # Always a whole block, so that a small table is the beginning of a large one.
        rng = np.random.default_rng((seed, number))
        people = _people(rng, (seed << 20) + number, earlier)
        mobile, country, workflow = zip(*people, strict=True)
        ids = np.arange(first + 1, first + _BLOCK_ROWS + 1)
        columns = [ids, mobile, country, workflow, *_variables(rng, ids)]
        yield pa.table(dict(zip(COLUMNS, columns, strict=True))).slice(0, rows - first)
        earlier = people


def _people(
    rng: np.random.Generator, seed: int, earlier: list[tuple[str, str, str]]
) -> list[tuple[str, str, str]]:
    """Phone, country and workflow of a block; some repeat a row of this block or the one before."""
    workflows = [f"wf_{number:02}" for number in rng.integers(0, _WORKFLOWS, _BLOCK_ROWS).tolist()]
    people = [*earlier, *zip(*messy_phones(_BLOCK_ROWS, seed), workflows, strict=True)]
    repeats = rng.random(_BLOCK_ROWS) < _REPEATED
    stays = rng.random(_BLOCK_ROWS) < _SAME_WORKFLOW
    sources = rng.random(_BLOCK_ROWS)
    for row in np.flatnonzero(repeats).tolist():
        position = len(earlier) + row
        mobile, country, workflow = people[int(sources[row] * position)]
        people[position] = (mobile, country, workflow if stays[row] else workflows[row])
    return people[len(earlier) :]


def _variables(rng: np.random.Generator, ids: np.ndarray) -> list[pa.Array]:
    """Seven columns of text, as long as a CRM's, some of it in need of quotes."""

    def some(texts: list[str]) -> list[str]:
        return np.array(texts, object)[rng.integers(0, len(texts), len(ids))].tolist()

    names = [f"{first} {last}" for first, last in zip(some(_FIRST), some(_LAST), strict=True)]
    days = rng.integers(0, 365, len(ids)).astype("timedelta64[D]")
    return [
        pa.array(names),
        pa.array(some(_CITIES)),
        pa.array(some(_PRODUCTS)),
        pa.array([str(amount) for amount in rng.integers(1_000, 5_000_000, len(ids)).tolist()]),
        pa.array((np.datetime64("2026-01-01") + days).astype(str).tolist()),
        pa.array([f"agent.{agent:03}@example.com" for agent in (ids % 250).tolist()]),
        pa.array(some(_NOTES)),
    ]


def build(url: str, table: str, rows: int) -> None:
    """Fill a new table and leave nothing for its first reader to tidy up."""
    columns = ", ".join(f"{name} text NOT NULL" for name in COLUMNS[1:])
    copy = f"COPY {table} FROM STDIN (FORMAT csv, FORCE_NOT_NULL ({', '.join(COLUMNS[1:])}))"
    plain = pyarrow.csv.WriteOptions(include_header=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {table} (lead_id bigint PRIMARY KEY, {columns})")
        with connection.cursor().copy(copy) as target:
            for block in blocks(rows):
                text = io.BytesIO()
                pyarrow.csv.write_csv(block, text, plain)
                target.write(text.getvalue())
        # COPY puts a short row into an earlier page's gap; whoever reads without an order would
        # meet another first of two duplicates.
        connection.execute(f"CLUSTER {table} USING {table}_pkey")
        connection.execute(f"VACUUM (ANALYZE, FREEZE) {table}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.leads")
    parser.add_argument("url")
    parser.add_argument("table")
    parser.add_argument("rows", type=int)
    arguments = parser.parse_args()
    build(arguments.url, arguments.table, arguments.rows)
