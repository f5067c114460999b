"""A job run in this process against an instance of its own, and its seconds by stage."""

import time
from pathlib import Path

import dagster as dg

from benchmarks.peers.stopwatch import Stopwatch


def run_told(
    job: dg.JobDefinition, name: str, folder: Path, watch: Stopwatch
) -> dg.ExecuteInProcessResult:
    """Run a job; the stages are its steps, without `name` before theirs, and what is between."""
    home = folder / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        watch.lap("definitions")
        begun = time.time()
        done = job.execute_in_process(instance=instance)
        run_seconds = watch.lap("between steps")
        steps = instance.get_run_step_stats(done.run_id)
    for step in steps:
        seconds = (step.end_time or 0.0) - (step.start_time or 0.0)
        watch.stages[step.step_key.removeprefix(f"{name}__")] = seconds
        run_seconds -= seconds
    creation = min(step.start_time or begun for step in steps) - begun
    watch.stages["run creation"] = creation
    watch.stages["between steps"] = run_seconds - creation
    return done
