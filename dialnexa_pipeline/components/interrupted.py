"""A run that is asked to end, by Terminate in the UI or by a signal, ends CANCELED."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

# Dagster raises the first where a run is being executed, and Python the second elsewhere.
INTERRUPTIONS = (dg.DagsterExecutionInterruptedError, KeyboardInterrupt)


@contextmanager
def ending_canceled(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Generator[None]:
    """Mark the run as canceling when a signal interrupts the block.

    Dagster itself does so for Terminate only, and calls a run failed whose process was signalled.
    """
    try:
        yield
    except INTERRUPTIONS:
        run = context.instance.get_run_by_id(context.run.run_id)
        if run is not None and run.status == dg.DagsterRunStatus.STARTED:
            context.instance.report_run_canceling(run, "The run's process was asked to end.")
        raise
