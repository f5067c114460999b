"""Checks of what the source gave: keys that identify rows, and variables that are filled in."""

import dagster as dg

from dialnexa_pipeline.components.checks.declared import KEYS_UNIQUE, REQUIRED_VARIABLES
from dialnexa_pipeline.enrolment import StagedLeads
from dialnexa_pipeline.sources import KeyReport
from dialnexa_pipeline.sync import SyncConfig


def keys_unique(report: KeyReport) -> dg.AssetCheckResult:
    """Each row has a key of its own."""
    return dg.AssetCheckResult(
        passed=report.is_sound,
        check_name=KEYS_UNIQUE,
        description=report.sentence or f"{report.rows} rows, each with a key of its own.",
        metadata={
            "source_rows": report.rows,
            "keys": report.keys,
            "repeated_keys": report.repeated,
            "blank_keys": report.blank,
        },
    )


def required_variables(config: SyncConfig, staged: StagedLeads) -> dg.AssetCheckResult:
    """No more leads than tolerated are refused because a required variable is blank."""
    rows, blank = staged.source_rows, staged.blank_variables
    refused = sum(
        leads for (_, reason), leads in staged.counts.items() if reason == "invalid/blank_variable"
    )
    rate = refused / rows if rows else 0.0
    columns = ", ".join(
        f"{header} in {leads} (source column {config.variables[header]})"
        for header, leads in sorted(blank.items(), key=lambda item: -item[1])
        if leads
    )
    said = f"{refused} of {rows} rows are refused because a required variable is blank"
    said += f": {columns}." if refused else "."
    passed = rate <= config.checks.max_blank_rate
    if not passed:
        said += (
            " Fill the columns in at the source, and the next run takes the rows; or take the "
            "header off required_variables, if the agent can do without."
        )
    return dg.AssetCheckResult(
        passed=passed,
        check_name=REQUIRED_VARIABLES,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            "blank_rate": rate,
            "leads_blank": refused,
            **{f"blank/{header}": leads for header, leads in blank.items()},
        },
    )
