"""The funnel of a run as a picture: from source rows to enrolled leads, and what each step lost."""

import base64
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import dagster as dg

from dialnexa_pipeline.ledger import Account

_IN_DOUBT_BEFORE, _PLANNED_ELSEWHERE = "in_doubt/earlier_run", "planned/other_run"
_LONGEST, _HEIGHT = 120, 14
_SHADES = ("#b9bdee", "#9298e2", "#6f76d6", "#4f43dd")


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    leads: int
    lost: str


def funnel(account: Account) -> dg.MetadataValue:
    """A row for each step, its bar a PNG: the words stay words, for whoever cannot see the bars.

    Dagster hides Markdown of 1,000 characters or more behind a click, so the bars are small files.
    """
    steps = list(_steps(account))
    most = max(step.leads for step in steps) or 1
    rows = [
        f"|{step.name}|{step.leads:,}|![]({_bar(step.leads / most, shade)})|{step.lost}|"
        for step, shade in zip(steps, _SHADES, strict=True)
    ]
    return dg.MetadataValue.md("\n".join(["| |leads| |lost|", "|-|-:|-|-|", *rows]))


def _steps(account: Account) -> Iterator[_Step]:
    """Each step with the leads that came so far, and what became of the others."""
    leads: Counter[str] = Counter(account.by_outcome())
    reasons: Counter[str] = Counter()
    for count in account.counts:
        reasons[count.reason] += count.leads
    before, elsewhere = reasons[_IN_DOUBT_BEFORE], reasons[_PLANNED_ELSEWHERE]
    eligible = account.source_rows - leads["invalid"]
    lost = {
        "duplicate": leads["duplicate"],
        "suppressed": leads["suppressed"],
        "deferred": leads["deferred"],
        "in doubt before": before,
        "in other runs": elsewhere,
    }
    yield _Step("source", account.source_rows, "")
    yield _Step("eligible", eligible, _said({"invalid": leads["invalid"]}))
    yield _Step("planned", eligible - sum(lost.values()), _said(lost))
    yield _Step(
        "enrolled",
        leads["enrolled"],
        _said(
            {
                "rejected": leads["rejected"],
                "in doubt": leads["in_doubt"] - before,
                "not sent yet": leads["planned"] - elsewhere,
            }
        ),
    )


def _said(lost: dict[str, int]) -> str:
    return ", ".join(f"{leads:,} {name}" for name, leads in lost.items() if leads)


def _bar(share: float, shade: str) -> str:
    # Loading definitions needs no picture.
    from PIL import Image

    file = BytesIO()
    size = (max(1, round(_LONGEST * share)), _HEIGHT)
    Image.new("RGB", size, shade).quantize(1).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
