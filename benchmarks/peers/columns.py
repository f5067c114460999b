"""Names of the columns of a lead; a module of its own, so that a contestant loads nothing more."""

VARIABLES = ("full_name", "city", "product", "amount", "due_date", "agent", "note")
COLUMNS = ("lead_id", "mobile", "country", "workflow_id", *VARIABLES)
