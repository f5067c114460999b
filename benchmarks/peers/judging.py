"""Medians, ratios and bars from the samples of one session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.peers.session import Agreement, Sample

_MILLION = 1_000_000
# Stages before the first step begins.
_START_UP = ("interpreter", "imports", "definitions", "run creation")
_RUNS_OF_DAGSTER = ("ours", "dagster")


@dataclass(frozen=True, slots=True)
class Line:
    """One contestant at one scale; ranges are lowest and highest.

    Attributes:
        times_ours: its median seconds ÷ our median seconds; above 1 we are faster.
        start_up_seconds: what passes before the first step of a run of Dagster begins.
    """

    contestant: str
    rows: int
    rounds: int
    seconds: float
    seconds_range: tuple[float, float]
    cpu_seconds: float
    seconds_per_million: float
    peak_mb: float
    peak_mb_range: tuple[float, float]
    kept: int
    times_ours: float | None
    start_up_seconds: float | None
    stages: dict[str, float]


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that was promised; `holds` is None where its scale was not run."""

    promise: str
    measured: str | None
    holds: bool | None


def lines_of(samples: Sequence[Sample]) -> list[Line]:
    """One line for each scale and contestant, in the order in which they were first met."""
    lines: list[Line] = []
    for rows, name in dict.fromkeys((sample.rows, sample.contestant) for sample in samples):
        own = [s.measured for s in samples if (s.rows, s.contestant) == (rows, name)]
        ours = [s.measured.seconds for s in samples if (s.rows, s.contestant) == (rows, "ours")]
        seconds = [each.seconds for each in own]
        peaks = [each.peak_mb for each in own]
        middle = median(seconds)
        stages = {
            stage: round(median(each.stages.get(stage, 0.0) for each in own), 3)
            for stage in own[0].stages
        }
        starts = name in _RUNS_OF_DAGSTER
        start_up = sum(stages[stage] for stage in _START_UP) if starts else None
        lines.append(
            Line(
                contestant=name,
                rows=rows,
                rounds=len(own),
                seconds=round(middle, 2),
                seconds_range=(round(min(seconds), 2), round(max(seconds), 2)),
                cpu_seconds=round(median(each.cpu_seconds for each in own), 2),
                seconds_per_million=round(middle * _MILLION / rows, 1),
                peak_mb=round(median(peaks)),
                peak_mb_range=(round(min(peaks)), round(max(peaks))),
                kept=own[0].kept,
                times_ours=round(middle / median(ours), 2) if ours else None,
                start_up_seconds=round(start_up, 2) if start_up is not None else None,
                stages=stages,
            )
        )
    return lines


def bars_of(lines: Sequence[Line], agreements: Sequence[Agreement]) -> list[Bar]:
    """Every bar with what was measured; whole processes count, and are told without Dagster too."""
    at = {(line.contestant, line.rows): line for line in lines}
    ours, ten = at.get(("ours", _MILLION)), at.get(("ours", 10 * _MILLION))
    naive, limit = at.get(("naive", _MILLION)), at.get(("limit", _MILLION))
    dagster = at.get(("dagster", _MILLION))
    pairs = [each for each in agreements if set(each.contestants) == {"ours", "naive"}]

    def slower(kept: float, share: float) -> tuple[str, bool]:
        return f"{share:.2f} ×", share <= kept

    def told(times: Callable[[float], float], ours: Line) -> str:
        whole = f"{times(ours.seconds):.2f} ×"
        if dagster is None:
            return whole
        beyond = times(ours.seconds - dagster.seconds)
        return f"{whole}, {beyond:.2f} × without the {dagster.seconds:.2f} s of Dagster alone"

    def against_naive(ours: Line, naive: Line) -> tuple[str, bool]:
        said = told(lambda seconds: naive.seconds / seconds, ours)
        return said, naive.seconds / ours.seconds >= 6.0

    def against_limit(ours: Line, limit: Line) -> tuple[str, bool]:
        said = told(lambda seconds: seconds / limit.seconds, ours)
        return said, ours.seconds / limit.seconds <= 4.0

    bars = [
        _bar(
            "1 M leads against the naive script: 6 × as fast or more (aim 12)",
            ours and naive and against_naive(ours, naive),
        ),
        _bar(
            "1 M leads against the limit: 4 × its time or less (aim 2)",
            ours and limit and against_limit(ours, limit),
        ),
        _bar(
            "1 M leads: a peak of 600 MB or less",
            ours and (f"{ours.peak_mb:,.0f} MB", ours.peak_mb <= 600),
        ),
        _bar(
            "10 M leads: 1.2 × the seconds a million of 1 M or less",
            ours and ten and slower(1.2, ten.seconds_per_million / ours.seconds_per_million),
        ),
        _bar(
            "10 M leads: 1.2 × the peak of 1 M or less",
            ours and ten and slower(1.2, ten.peak_mb / ours.peak_mb),
        ),
    ]
    differing = ", ".join(f"{each.differing:,} of {each.pairs:,} differ" for each in pairs)
    bars.append(
        _bar(
            "enrolled (key, E.164) pairs equal the naive script's, row for row",
            (differing, not any(each.differing for each in pairs)) if pairs else None,
        )
    )
    return bars


def _bar(promise: str, judged: tuple[str, bool] | None) -> Bar:
    return Bar(promise, *judged) if judged is not None else Bar(promise, None, None)
