"""Mapping, screening rules, outcomes and batch files: pure functions over Arrow tables."""

from dialnexa_pipeline.leads.files import (
    csv_file,
    csv_header_bytes,
    csv_lines,
    render_csv,
)
from dialnexa_pipeline.leads.reasons import OUTCOMES, REASONS
from dialnexa_pipeline.leads.rotation import Rotation, even_rows
from dialnexa_pipeline.leads.screening import (
    VARIABLE_PREFIX,
    ScreeningConfig,
    blank_variables,
    screen,
)
from dialnexa_pipeline.leads.sheets import (
    append_texts,
    read_xlsx,
    render_xlsx,
    xlsx_header_bytes,
    xlsx_row_bytes,
)
from dialnexa_pipeline.leads.text import text_of
from dialnexa_pipeline.leads.variables import RESERVED_VARIABLES, validate_variables

__all__ = [
    "OUTCOMES",
    "REASONS",
    "RESERVED_VARIABLES",
    "VARIABLE_PREFIX",
    "Rotation",
    "ScreeningConfig",
    "append_texts",
    "blank_variables",
    "csv_file",
    "csv_header_bytes",
    "csv_lines",
    "even_rows",
    "read_xlsx",
    "render_csv",
    "render_xlsx",
    "screen",
    "text_of",
    "validate_variables",
    "xlsx_header_bytes",
    "xlsx_row_bytes",
]
