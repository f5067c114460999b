"""A campaign's sums in a file, from which a stopped campaign goes on."""

import json
import os
from pathlib import Path
from typing import Any

from benchmarks.chaos.campaign import Totals
from benchmarks.chaos.history import HistoryResult


class OtherCampaign(Exception):
    """The file holds the sums of a campaign with other options."""


class Results:
    """Sums over the histories from the first seed on without a gap.

    Args:
        options: what the sums depend on, as JSON knows it.
        go_on: add to the sums that the file holds.

    Raises:
        OtherCampaign: they were made with other options.
    """

    def __init__(
        self, path: Path, *, first_seed: int, options: dict[str, Any], go_on: bool
    ) -> None:
        self._path = path
        self._head = {"first_seed": first_seed, **options}
        self._seconds = 0.0
        self._early: dict[int, HistoryResult] = {}
        self.totals = Totals()
        if go_on and path.exists():
            document = json.loads(path.read_text())
            kept = {key: document.get(key) for key in self._head}
            if kept != self._head:
                raise OtherCampaign(f"{path.name} was made with {kept}, not with {self._head}")
            self._seconds = document["seconds"]
            self.totals = Totals.from_json(document)
        self._first = first_seed

    @property
    def next_seed(self) -> int:
        return self._first + self.totals.histories

    def add(self, result: HistoryResult, seconds: float) -> None:
        """Count a history once all before it are counted, and write the file.

        Args:
            seconds: since the campaign was started or went on.
        """
        self._early[result.seed] = result
        while (following := self._early.pop(self.next_seed, None)) is not None:
            self.totals.add(following)
        document = {
            **self._head,
            "seconds": round(self._seconds + seconds, 1),
            **self.totals.as_json(),
        }
        self._path.parent.mkdir(exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(document, indent=2) + "\n")
        os.replace(beside, self._path)
