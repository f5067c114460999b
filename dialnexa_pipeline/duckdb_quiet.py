"""DuckDB without its progress bar, which would stand in the logs of steps.

It takes a process that Dagster spawns for somebody at a terminal.
"""

# Of a connection: another one to the same file draws it still.
QUIET = "SET enable_progress_bar = false"
