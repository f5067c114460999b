"""Screening: an ordered list of small rules gives leads an outcome before anything is sent."""

# pyarrow.compute makes its functions when it is imported, so pyright cannot see them.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dialnexa_pipeline.leads.text import text_of
from dialnexa_pipeline.phones import normalise_phones

VARIABLE_PREFIX = "var:"
# As many characters as a record table has for one, in every database.
_LONGEST_WORKFLOW = 180
_SHOWN_OF_WORKFLOW = 60


@dataclass(frozen=True, slots=True)
class ScreeningConfig:
    """What screening needs to know of a sync; names are source columns.

    Attributes:
        variables: uploaded header → source column.
        required_variables: headers that must not be blank.
        phone_types: libphonenumber type names that may be called.
    """

    key: str
    phone: str
    country: str | None
    default_country: str | None
    workflow: str | None
    workflow_column: str | None
    variables: Mapping[str, str]
    required_variables: tuple[str, ...]
    phone_types: frozenset[str]


Rule = Callable[[pa.Table, ScreeningConfig], pa.Array]


def screen(batch: pa.RecordBatch, config: ScreeningConfig) -> pa.Table:
    """Give every row of a batch an outcome, or leave it undecided (null): it may be planned.

    Args:
        batch: the source columns that the config names.

    Returns:
        `lead_key, workflow_id, raw_phone, phone, phone_key (int64), country, phone_type, outcome,
        reason`, then one string column `var:<header>` per variable.
    """
    leads = _mapped(batch, config)
    reason: pa.Array = pa.nulls(leads.num_rows, pa.string())
    for rule in RULES:
        reason = pc.coalesce(reason, rule(leads, config))
    outcome = pc.if_else(pc.is_valid(reason), pa.scalar("invalid"), pa.scalar(None, pa.string()))
    reason = pc.if_else(
        pc.is_valid(reason),
        pc.binary_join_element_wise("invalid", reason, "/"),
        pa.scalar(None, pa.string()),
    )
    position = leads.column_names.index("phone_type") + 1
    screened = leads.drop_columns(["phone_reason"])
    # Nobody is called by it, and no record table holds a longer one.
    screened = screened.set_column(
        screened.column_names.index("workflow_id"), "workflow_id", _cut_short(leads["workflow_id"])
    )
    screened = screened.add_column(position, pa.field("outcome", pa.string()), outcome)
    return screened.add_column(position + 1, pa.field("reason", pa.string()), reason)


def _mapped(batch: pa.RecordBatch, config: ScreeningConfig) -> pa.Table:
    raw = text_of(batch.column(config.phone))
    country = text_of(batch.column(config.country)) if config.country is not None else None
    phones = normalise_phones(
        raw,
        country,
        default_country=config.default_country,
        allowed_types=config.phone_types,
    )
    if config.workflow_column is not None:
        workflow = pc.utf8_trim_whitespace(
            pc.fill_null(text_of(batch.column(config.workflow_column)), "")
        )
    else:
        workflow = pa.array([config.workflow or ""] * batch.num_rows, pa.string())
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "lead_key": text_of(batch.column(config.key)),
        "workflow_id": workflow,
        "raw_phone": pc.fill_null(raw, ""),
        "phone": phones["phone"],
        "phone_key": phones["phone_key"],
        "country": phones["country"],
        "phone_type": phones["phone_type"],
        "phone_reason": phones["reason"],
    }
    for header, source in config.variables.items():
        columns[VARIABLE_PREFIX + header] = pc.fill_null(text_of(batch.column(source)), "")
    return pa.table(columns)


def blank_workflow(leads: pa.Table, config: ScreeningConfig) -> pa.Array:
    """A lead whose routing column is blank belongs nowhere."""
    return _where(pc.equal(leads["workflow_id"], ""), "blank_workflow")


def unfit_workflow(leads: pa.Table, config: ScreeningConfig) -> pa.Array:
    """What the routing column holds is no id: too long to be recorded, or the name of a folder."""
    ids = leads["workflow_id"]
    is_dots = pc.is_in(ids, pa.array([".", ".."]))
    is_long = pc.greater(pc.utf8_length(ids), _LONGEST_WORKFLOW)
    return _where(pc.or_(is_dots, is_long), "unfit_workflow")


def _cut_short(workflows: pa.ChunkedArray) -> pa.ChunkedArray:
    is_long = pc.greater(pc.utf8_length(workflows), _LONGEST_WORKFLOW)
    if not pc.any(is_long).as_py():
        return workflows
    start = pc.utf8_slice_codeunits(workflows, 0, _SHOWN_OF_WORKFLOW)
    return pc.if_else(is_long, pc.binary_join_element_wise(start, "…", ""), workflows)


def bad_phone(leads: pa.Table, config: ScreeningConfig) -> pa.Array:
    """The verdict of phone normalisation."""
    return leads["phone_reason"].combine_chunks()


def blank_variable(leads: pa.Table, config: ScreeningConfig) -> pa.Array:
    """A required variable without a value would be spoken literally, braces and all."""
    blank = pa.array([False] * leads.num_rows, pa.bool_())
    for header in config.required_variables:
        blank = pc.or_(blank, _is_blank(leads, header).combine_chunks())
    return _where(blank, "blank_variable")


def blank_variables(screened: pa.Table, config: ScreeningConfig) -> dict[str, int]:
    """Required header → leads that `blank_variable` refused and that have nothing in it."""
    refused = screened.filter(pc.equal(screened["reason"], "invalid/blank_variable"))
    return {
        header: pc.sum(_is_blank(refused, header), min_count=0).as_py()
        for header in config.required_variables
    }


def _is_blank(leads: pa.Table, header: str) -> pa.ChunkedArray:
    return pc.equal(pc.utf8_trim_whitespace(leads[VARIABLE_PREFIX + header]), "")


RULES: tuple[Rule, ...] = (blank_workflow, unfit_workflow, bad_phone, blank_variable)


def _where(condition: pa.Array | pa.ChunkedArray, reason: str) -> pa.Array:
    flat = condition.combine_chunks() if isinstance(condition, pa.ChunkedArray) else condition
    return pc.if_else(flat, pa.scalar(reason), pa.scalar(None, pa.string()))
