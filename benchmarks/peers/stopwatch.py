"""Seconds by stage inside a contestant, told to the harness as one line of JSON."""

import json
import time
from pathlib import Path


class Stopwatch:
    """Starts when it is made; each lap ends a stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._began = self._last = time.perf_counter()

    def lap(self, stage: str) -> float:
        """Add what passed since the last lap to `stage`, and return it."""
        now = time.perf_counter()
        passed, self._last = now - self._last, now
        self.stages[stage] = self.stages.get(stage, 0.0) + passed
        return passed

    def tell(self, folder: Path, kept: int) -> None:
        """Leave rows kept, stages and when they began where the harness looks for them."""
        told = {"kept": kept, "began": self._began, "stages": self.stages}
        (folder / "told.json").write_text(json.dumps(told))
