"""One picture of a session: who takes how long, and where our seconds go."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.peers.judging import Line

_COLOURS = {
    "ours": "#1f6feb",
    "naive": "#8b949e",
    "dlt": "#d29922",
    "limit": "#2da44e",
    "dagster": "#8250df",
}
_STAGES = (
    "interpreter",
    "imports",
    "definitions",
    "run creation",
    "between steps",
    "screened_leads",
    "lead_batches",
    "enrolments",
    "enrolment_counts",
    "rejected_rows",
    "exit",
)


def draw(lines: Sequence[Line], path: Path, warning: str | None) -> None:
    """Write the picture as a PNG, with a warning under its title if there is one."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5.5), layout="constrained")
    _contestants(left, lines)
    _stages(right, [line for line in lines if line.contestant == "ours"])
    rounds = max(line.rounds for line in lines)
    figure.suptitle(
        f"PostgreSQL to a sink, SQLite ledger: medians of {rounds} interleaved rounds, whole "
        f"processes (thin lines: range)\n{warning or ''}"
    )
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _contestants(axes: Axes, lines: Sequence[Line]) -> None:
    scales = sorted({line.rows for line in lines})
    names = [name for name in _COLOURS if any(line.contestant == name for line in lines)]
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        own = [line for line in lines if line.contestant == name]
        at = [scales.index(line.rows) + (place - (len(names) - 1) / 2) * width for line in own]
        below = [line.seconds - line.seconds_range[0] for line in own]
        above = [line.seconds_range[1] - line.seconds for line in own]
        drawn = axes.bar(
            at,
            [line.seconds for line in own],
            width * 0.92,
            label=name,
            color=_COLOURS[name],
            yerr=(below, above),
            capsize=3,
        )
        axes.bar_label(drawn, [f"{line.seconds:.1f}" for line in own], padding=3, fontsize=9)
    axes.set_yscale("log")
    axes.margins(y=0.12)
    axes.set_xticks(range(len(scales)), [f"{rows:,} leads" for rows in scales])
    axes.set_ylabel("seconds (logarithmic)")
    axes.set_title("Seconds by contestant")
    axes.legend()


def _stages(axes: Axes, ours: Sequence[Line]) -> None:
    names = [f"{line.rows:,} leads" for line in ours]
    colours = plt.get_cmap("tab20").colors  # pyright: ignore[reportAttributeAccessIssue]
    bottoms = [0.0] * len(ours)
    for place, stage in enumerate(_STAGES):
        shares = [100 * line.stages.get(stage, 0.0) / sum(line.stages.values()) for line in ours]
        drawn = axes.bar(names, shares, 0.6, bottoms, label=stage, color=colours[place])
        axes.bar_label(
            drawn,
            [
                f"{line.stages.get(stage, 0.0):.1f} s" if share >= 4 else ""
                for line, share in zip(ours, shares, strict=True)
            ],
            label_type="center",
            fontsize=9,
        )
        bottoms = [bottom + share for bottom, share in zip(bottoms, shares, strict=True)]
    axes.set_ylabel("% of our seconds")
    axes.set_title("Where our seconds go")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5))
