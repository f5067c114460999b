"""DuckDB without its progress bar, which would stand in logs and in what a command prints."""

# Of a connection: another one to the same file draws it still.
QUIET = "SET enable_progress_bar = false"
