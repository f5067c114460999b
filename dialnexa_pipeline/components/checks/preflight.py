"""Checks before sending: workflows that can call, and destinations that may be called."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from dialnexa_pipeline.components.checks.declared import DESTINATIONS, WORKFLOW_STATUS
from dialnexa_pipeline.enrolment import (
    ASLEEP,
    AWAKE,
    ENDED,
    Barred,
    Destinations,
    SeenWorkflow,
)
from dialnexa_pipeline.sync import SyncConfig

_NAMED = 10


def workflow_status(
    config: SyncConfig, seen: Sequence[SeenWorkflow], leads: Mapping[str, int]
) -> dg.AssetCheckResult:
    """Each workflow exists and can call its leads; an error when a person must act.

    Args:
        leads: workflow → leads that are planned for it.
    """
    errors = list(_cannot_call(config, seen, leads))
    warnings = list(_will_wait(config, seen, leads))
    problems = {each.problem: None for each in seen if each.problem is not None}
    warnings += [f"Not every workflow could be looked at. {problem}" for problem in problems]
    said = [*errors, *warnings]
    if len(said) > _NAMED:
        said = [*said[:_NAMED], f"So it is with {len(said) - _NAMED} workflows more."]
    return dg.AssetCheckResult(
        passed=not said,
        check_name=WORKFLOW_STATUS,
        severity=dg.AssetCheckSeverity.ERROR if errors else dg.AssetCheckSeverity.WARN,
        description=" ".join(said)
        or (
            f"{len(seen)} workflow{'s' if len(seen) != 1 else ''} can take their leads."
            if seen
            else "No leads are planned, so no workflow was looked at."
        ),
        metadata={
            "workflows": len(seen),
            **_by_status(seen),
        },
    )


def destinations_enabled(
    enabled: Destinations, barred: Sequence[Barred], leads: int
) -> dg.AssetCheckResult:
    """The leads that go on to planning may be called; a warning names where they may not.

    Args:
        barred: leads that may not be called.
        leads: leads that are planned.
    """
    total = sum(each.leads for each in barred)
    if not barred:
        said = f"The {leads} planned leads are in countries that DialNexa has enabled."
    else:
        named = ", ".join(
            f"{each.country} ({each.leads} leads{_which(each)})" for each in barred[:_NAMED]
        )
        more = f" and {len(barred) - _NAMED} more" if len(barred) > _NAMED else ""
        said = (
            f"{total} leads go to destinations that DialNexa's Telephony Config does not enable: "
            f"{named}{more}. Enable them in Workspace Settings > Telephony Config, or leave them "
            "out of the source. "
        ) + (
            "They were not planned (preflight: enforce); once enabled, the next run takes them."
            if enabled.enforced
            else "DialNexa will refuse them; preflight: enforce would not send them. If calls go "
            "over SIP routes, set preflight: off."
        )
    return dg.AssetCheckResult(
        passed=not barred,
        check_name=DESTINATIONS,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "leads_not_enabled": total,
            "countries_enabled": len(enabled.countries),
            "enabled": ", ".join(enabled.countries),
            **_by_country(barred),
        },
    )


def destinations_unknown(why: str) -> dg.AssetCheckResult:
    """The enabled destinations could not be read: that holds nothing."""
    return dg.AssetCheckResult(
        passed=False,
        check_name=DESTINATIONS,
        severity=dg.AssetCheckSeverity.WARN,
        description=(
            f"The destinations that DialNexa enables could not be read: {why} No lead was held "
            "back. If it stays so, or calls go over SIP routes, set preflight: off."
        ),
    )


def _cannot_call(
    config: SyncConfig, seen: Sequence[SeenWorkflow], leads: Mapping[str, int]
) -> Iterator[str]:
    key = "workflow" if config.workflow is not None else f"column {config.workflow_column}"
    for each in seen:
        name, number = each.workflow_id, leads.get(each.workflow_id, 0)
        if each.is_missing:
            yield (
                f"DialNexa shows no workflow {name} with this API key, and {number} leads are "
                f"planned for it: correct the sync's {key}, or DIALNEXA_API_KEY."
            )
        elif each.status in ENDED:
            yield (
                f"Workflow {name} is {each.status} and calls nobody, and {number} leads are "
                f"planned for it: correct the sync's {key}."
            )
        elif each.status in AWAKE and config.activates:
            yield (
                f"Workflow {name} is {each.status}, and the sync says activation: "
                f"after_reconcile, so its {number} leads are not sent: pause it in DialNexa."
            )


def _will_wait(
    config: SyncConfig, seen: Sequence[SeenWorkflow], leads: Mapping[str, int]
) -> Iterator[str]:
    if config.activates:
        return
    for each in seen:
        if each.status in ASLEEP:
            yield (
                f"Workflow {each.workflow_id} is {each.status}: its {leads[each.workflow_id]} "
                "leads are called once it is activated. Activate it in DialNexa, or set "
                "activation: after_reconcile."
            )


def _by_status(seen: Sequence[SeenWorkflow]) -> dict[str, int]:
    words = ("missing" if each.is_missing else each.status or "unknown" for each in seen)
    return {f"workflows/{word}": number for word, number in sorted(Counter(words).items())}


def _by_country(barred: Sequence[Barred]) -> dict[str, int]:
    leads: Counter[str] = Counter()
    for each in barred:
        leads[each.country] += each.leads
    return {f"leads_not_enabled/{country}": number for country, number in sorted(leads.items())}


def _which(barred: Barred) -> str:
    return " by prefix" if barred.is_by_prefix else ""
