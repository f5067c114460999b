"""What a session found, as a table for people and as JSON for later sessions."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.peers.contestants import DLT
from benchmarks.peers.judging import Bar, Line
from benchmarks.peers.session import Agreement, Sample

_PACKAGES = (
    "dagster",
    "duckdb",
    "httpx",
    "pandas",
    "phonenumbers",
    "psycopg",
    "pyarrow",
    "sqlalchemy",
)
_RULE = (
    "A valid number is what phonenumbers.is_valid_number says, of any type and without an "
    "extension, after a trailing .0 is taken off. Of one number in one workflow the first row in "
    "the order of the key is kept. Files hold key, workflow and E.164 in that order and are "
    "compared byte for byte."
)
_TAKEN = (
    "Whole processes: seconds by the wall, peak as the highest resident set. PostgreSQL and the "
    "sink run on the same machine and are not counted. Our ledger is a fresh SQLite file, our "
    "store a folder; the limit is not exact and deduplicates nothing. Dagster's line is a run "
    "of five empty assets with a sync's names and checks."
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one session measured."""

    samples: Sequence[Sample]
    lines: Sequence[Line]
    agreements: Sequence[Agreement]
    bars: Sequence[Bar]

    @property
    def disturbed(self) -> str | None:
        """A sentence when the machine had other work to do, which makes every second doubtful."""
        loads = [sample.load for sample in self.samples]
        cores = os.cpu_count() or 1
        # A contestant, PostgreSQL and the sink take all cores, and little more.
        if max(loads) <= 1.5 * cores:
            return None
        return (
            f"Other work ran on the machine (load {min(loads):.1f} to {max(loads):.1f} on {cores} "
            "cores): these seconds are not the machine's own."
        )

    def write(self, path: Path) -> None:
        """Write the JSON document."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self._document(), indent=2, ensure_ascii=False) + "\n")

    def _document(self) -> dict[str, Any]:
        return {
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "scales": sorted({line.rows for line in self.lines}),
            "rounds": max(line.rounds for line in self.lines),
            "disturbed": self.disturbed,
            "how": _TAKEN,
            "which_pairs_are_equal": _RULE,
            "machine": _machine(),
            "bars": [asdict(bar) for bar in self.bars],
            "lines": [asdict(line) for line in self.lines],
            "agreements": [asdict(agreement) for agreement in self.agreements],
            "samples": [_rounded(asdict(sample)) for sample in self.samples],
        }

    def __str__(self) -> str:
        told = [*self._table(), "", *self._stages(), "", *self._bars()]
        return "\n".join([*told, "", self.disturbed] if self.disturbed is not None else told)

    def _table(self) -> list[str]:
        told = [
            f"{'leads':>11} {'':<7}{'seconds (range)':>24}{'s/M':>9}{'peak MB (range)':>22}"
            f"{'kept':>11}{'ours = 1':>10}"
        ]
        for line in self.lines:
            low, high = line.seconds_range
            least, most = line.peak_mb_range
            told.append(
                f"{line.rows:>11,} {line.contestant:<7}"
                f"{f'{line.seconds:.2f} ({low:.2f}-{high:.2f})':>24}"
                f"{line.seconds_per_million:>9.1f}"
                f"{f'{line.peak_mb:,.0f} ({least:,.0f}-{most:,.0f})':>22}"
                f"{line.kept:>11,}"
                f"{f'{line.times_ours:.2f}' if line.times_ours is not None else '':>10}"
            )
        return told

    def _stages(self) -> list[str]:
        told: list[str] = ["Median seconds by stage:"]
        for line in self.lines:
            stages = sorted(line.stages.items(), key=lambda stage: -stage[1])
            shown = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages)
            told.append(f"{line.rows:>11,} {line.contestant:<7} {shown}")
            if line.start_up_seconds is not None:
                told.append(
                    f"{'':>20}start-up {line.start_up_seconds:.2f} s, the sync itself "
                    f"{line.seconds - line.start_up_seconds:.2f} s"
                )
        return told

    def _bars(self) -> list[str]:
        words = {True: "yes", False: "NO", None: "not measured"}
        return [
            f"{words[bar.holds]:<13} {bar.promise}{f': {bar.measured}' if bar.measured else ''}"
            for bar in self.bars
        ]


def _machine() -> dict[str, Any]:
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    has_adbc = find_spec("adbc_driver_postgresql") is not None
    return {
        "cores": os.cpu_count(),
        "model": model[0] if model else platform.processor(),
        "system": platform.system(),
        "python": sys.version.split()[0],
        "packages": {name: version(name) for name in _PACKAGES},
        "dlt": DLT.partition("==")[2],
        "limit_reads_by": "ADBC" if has_adbc else "COPY",
    }


def _rounded(sample: dict[str, Any]) -> dict[str, Any]:
    measured = sample.pop("measured")
    stages = {stage: round(seconds, 3) for stage, seconds in measured.pop("stages").items()}
    figures = {name: round(figure, 2) for name, figure in measured.items()}
    return {**sample, "load": round(sample["load"], 2), **figures, "stages": stages}
