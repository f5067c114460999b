"""The sensor that tells of what is wrong, and the digest's job and schedule; none fails a sync."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance, RunsFilter

from dialnexa_pipeline.alerts import (
    AlertsConfig,
    DigestConfig,
    Facts,
    LedgerFacts,
    Messenger,
    Period,
    digest_message,
    plain_text,
    read_days,
    read_ledger,
    read_memories,
    tell_news,
    try_to_tell,
    write_memories,
)
from dialnexa_pipeline.components.ended_runs import ended_runs
from dialnexa_pipeline.components.resources import LedgerResource

Messengers = Callable[[], Sequence[Messenger]]

# A run's end may be written by another host, a little behind.
_RUNS_OVERLAP = timedelta(minutes=10)
# A plan's rows may be refused by DialNexa long after it was ready.
_PLANS_OVERLAP = timedelta(hours=24)
_FIRST_PERIOD = timedelta(hours=24)


def alerts_sensor(config: AlertsConfig, messengers: Messengers) -> dg.SensorDefinition:
    """`<name>_sensor`: looks every minute, tells each occurrence once, starts no run.

    A messenger that fails keeps its own place in the cursor, so it tells at a later tick.
    """

    @dg.sensor(
        name=f"{config.name}_sensor",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Tells of: {', '.join(config.when)}. It starts no run.",
    )
    def sensor(
        context: dg.SensorEvaluationContext, ledger: LedgerResource
    ) -> dg.SensorResult | dg.SkipReason:
        memories = read_memories(context.cursor)
        now = datetime.now(UTC)
        seen_until = min((memory.seen_until for memory in memories.values()), default=now)
        known = LedgerFacts()
        if ledger.exists():
            with ledger.open() as opened:
                known = read_ledger(opened, plans_after=seen_until - _PLANS_OVERLAP)
        runs = ended_runs(context.instance, after=seen_until - _RUNS_OVERLAP)
        told = tell_news(config, messengers(), Facts(now, known, tuple(runs)), memories)
        for failure in told.failures:
            context.log.error(f"Not delivered, and tried again at the next tick. {failure}")
        if told.failures and not told.delivered and told.memories.keys() == memories.keys():
            # Nothing has to be remembered: the tick may be red, which nobody overlooks.
            raise dg.Failure(" ".join(told.failures))
        said = [f"{name} was told of {things}." for name, things in told.delivered.items()]
        said += [f"Not delivered: {failure}" for failure in told.failures]
        return dg.SensorResult(
            skip_reason=" ".join(said) or "Nothing new to tell.",
            cursor=write_memories(told.memories),
        )

    return sensor


def digest_job(config: AlertsConfig, messengers: Messengers) -> dg.JobDefinition:
    """`<name>_digest`: everything since the last digest that everybody got."""
    name = f"{config.name}_digest"

    @dg.op(
        name=f"tell_{name}",
        out=dg.Out(dg.Nothing),
        description="Tells who was called, who was not, and why, of every sync. Nothing is sent.",
    )
    def tell_digest(context: dg.OpExecutionContext, ledger: LedgerResource):
        period = _period(context.instance, name, context.run.run_id)
        runs = ended_runs(context.instance, after=period.after)
        days, waiting = [], LedgerFacts()
        if ledger.exists():
            with ledger.open() as opened:
                days = read_days(config, opened, period, runs)
                waiting = read_ledger(opened, plans_after=period.until)
        message = digest_message(config, days, waiting, period)
        failures = [try_to_tell(messenger, message) for messenger in messengers()]
        text = plain_text(message)
        context.log.info(f"{message.title}\n{text}")
        # What is yielded before a failure is kept.
        yield dg.Output(None, metadata={"digest": dg.MetadataValue.md(f"```\n{text}\n```")})
        problems = [failure for failure in failures if failure is not None]
        if problems:
            raise dg.Failure(
                f"The digest was not delivered everywhere; the next one covers it again. "
                f"{' '.join(problems)}",
                allow_retries=False,
            )

    @dg.job(
        name=name,
        executor_def=dg.in_process_executor,
        description="Tell who was called, who was not, and why. Nothing is sent to DialNexa.",
    )
    def digest() -> None:
        tell_digest()

    return digest


def digest_schedule(
    config: AlertsConfig, digest: DigestConfig, job: dg.JobDefinition
) -> dg.ScheduleDefinition:
    """On from the start: it was asked for, and calls nobody."""
    return dg.ScheduleDefinition(
        name=f"{config.name}_digest_schedule",
        job=job,
        cron_schedule=digest.schedule,
        execution_timezone=digest.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _period(instance: DagsterInstance, job_name: str, run_id: str) -> Period:
    """Since the newest digest that succeeded began, until this one began."""
    until = _started(instance, RunsFilter(run_ids=[run_id])) or datetime.now(UTC)
    delivered = RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    after = _started(instance, delivered) or until - _FIRST_PERIOD
    return Period(after, until)


def _started(instance: DagsterInstance, which: RunsFilter) -> datetime | None:
    for record in instance.get_run_records(which, limit=1):
        if record.start_time is not None:
            return datetime.fromtimestamp(record.start_time, UTC)
    return None
