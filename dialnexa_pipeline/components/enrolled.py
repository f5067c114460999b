"""The asset `enrolments`: the only one that sends."""

# Dagster reads the return annotation and knows the plain class only.
# pyright: reportMissingTypeArgument=false

import time
from dataclasses import dataclass, field

import dagster as dg

from dialnexa_pipeline.components.automation import condition_of
from dialnexa_pipeline.components.checks import (
    ACTIVATED,
    CONSERVATION,
    MATCHES_LEDGER,
    NOTHING_IN_DOUBT,
    activated,
    check_spec,
    compared,
    conservation,
    nothing_in_doubt,
)
from dialnexa_pipeline.components.describing import asset_tags, describe_enrolments
from dialnexa_pipeline.components.freshness import freshness_of
from dialnexa_pipeline.components.interrupted import INTERRUPTIONS, ending_canceled
from dialnexa_pipeline.components.links import workflow_links
from dialnexa_pipeline.components.resources import (
    DialNexaResource,
    LedgerResource,
    StoreResource,
    WarehouseResource,
)
from dialnexa_pipeline.components.showing import (
    batch_table,
    outcome_metadata,
    per_second,
    reason_numbers,
    record_schema,
)
from dialnexa_pipeline.components.windows import backfill_policy_of, partition_key_of, partitions_of
from dialnexa_pipeline.enrolment import (
    Activation,
    SendReport,
    activate_verified,
    owe_activations,
    send_plan,
)
from dialnexa_pipeline.errors import DialNexaError
from dialnexa_pipeline.ledger import Account, Ledger, LedgerUnavailable, Plan, PlanHeld
from dialnexa_pipeline.records import (
    record_counts,
    record_enrolments,
    record_rejected_rows,
    recording_beside,
    require_writable,
    tally_enrolments,
)
from dialnexa_pipeline.sync import SyncConfig


def enrolments_asset(config: SyncConfig) -> dg.AssetsDefinition:
    """Send the current plan, batch by batch."""
    key = dg.AssetKey([config.name, "enrolments"])

    @dg.asset(
        name="enrolments",
        key_prefix=config.name,
        group_name=config.name,
        owners=config.owners or None,
        tags=asset_tags(config),
        kinds={"dialnexa", "table"},
        deps=[dg.AssetKey([config.name, "lead_batches"])],
        partitions_def=partitions_of(config),
        backfill_policy=backfill_policy_of(config),
        automation_condition=condition_of(config, "enrolments"),
        freshness_policy=freshness_of(config),
        check_specs=[
            check_spec(CONSERVATION, key),
            check_spec(NOTHING_IN_DOUBT, key),
            check_spec(MATCHES_LEDGER, key),
            *([check_spec(ACTIVATED, key)] if config.activates else []),
        ],
        description=describe_enrolments(config),
    )
    def enrolments(
        context: dg.AssetExecutionContext,
        dialnexa: DialNexaResource,
        ledger: LedgerResource,
        warehouse: WarehouseResource,
        store: StoreResource,
    ):
        with ending_canceled(context):
            with ledger.open() as opened:
                plan = _plan_to_send(opened, config.name, partition_key_of(context))
                # Nobody is called whose enrolment could not be recorded.
                require_writable(warehouse.url)
                with recording_beside(opened, warehouse.url, config.name):
                    sent = _send(context, config, plan, opened, dialnexa=dialnexa, store=store)
                try:
                    _record(opened, warehouse, config.name, sent)
                    result = _explained(config, opened, plan, sent, warehouse)
                except LedgerUnavailable as gone:
                    if sent.broken_by is not None:
                        raise sent.broken_by from gone
                    raise
            # What is yielded before a failure or an interruption is kept.
            yield result
            if sent.broken_by is not None:
                raise sent.broken_by
            if sent.problems:
                raise dg.Failure(" ".join(sent.problems), allow_retries=False)

    return enrolments


def _plan_to_send(ledger: Ledger, sync: str, partition_key: str) -> Plan:
    try:
        plan = ledger.plans.sendable(sync=sync, partition_key=partition_key)
    except PlanHeld as held:
        raise dg.Failure(str(held), allow_retries=False) from None
    if plan is None:
        raise dg.Failure(
            f"Sync {sync!r} has no plan to send; materialise {sync}/lead_batches first.",
            allow_retries=False,
        )
    return plan


@dataclass(slots=True)
class _Sent:
    """How sending ended: sentences for the operator, and what broke it off, if anything did."""

    metadata: dict[str, int | str] = field(default_factory=dict[str, int | str])
    problems: list[str] = field(default_factory=list[str])
    activations: list[Activation] = field(default_factory=list[Activation])
    broken_by: BaseException | None = None
    enrolled_before: int = 0
    began: float = field(default_factory=time.monotonic)

    def note(self, report: SendReport) -> None:
        self.metadata["posts"] = report.posts
        self.problems += report.problems
        if report.stopped is not None and report.stopped not in report.problems:
            self.problems.append(report.stopped)
        if report.paused is not None:
            # Nothing failed: what stays planned is sent by a later run.
            self.metadata["paused"] = report.paused


def _send(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    plan: Plan,
    ledger: Ledger,
    *,
    dialnexa: DialNexaResource,
    store: StoreResource,
) -> _Sent:
    """Send what is planned; whatever breaks it off, no batch is left as if it were being sent."""
    sent = _Sent(enrolled_before=_enrolled(ledger.accounts.of_plan(plan.plan_id)))
    try:
        ledger.doubts.put_dead_senders_in_doubt()
        with dialnexa.client() as client:
            closed = owe_activations(ledger, client, plan) if config.activates else {}
            sent.problems += closed.values()
            report = send_plan(
                plan,
                ledger=ledger,
                store=store.open(),
                client=client,
                run_id=context.run.run_id,
                note=context.log.info,
                closed=closed.keys(),
                at_once=config.workflows_at_once,
            )
            sent.note(report)
            if report.paused is not None:
                context.log.warning(report.paused)
            if config.activates:
                sent.activations = activate_verified(ledger, client, sync=config.name)
    except BaseException as error:
        if isinstance(error, DialNexaError):
            sent.problems.append(str(error))
        else:
            sent.broken_by = error
        _leave_nothing_in_the_air(ledger, plan, context.run.run_id)
    return sent


def _enrolled(account: Account) -> int:
    return account.by_outcome().get("enrolled", 0)


def _leave_nothing_in_the_air(ledger: Ledger, plan: Plan, run_id: str) -> None:
    try:
        ledger.doubts.put_senders_of_run_in_doubt(run_id)
        ledger.batches.list_unsent(plan.plan_id)
    except LedgerUnavailable:
        # The lease runs out without a heart-beat, and the next run puts the batch in doubt.
        return


def _record(ledger: Ledger, warehouse: WarehouseResource, sync: str, sent: _Sent) -> None:
    """Let the record tables follow: all of them here when downstream assets will be skipped."""
    try:
        record_enrolments(ledger, warehouse.url, sync)
        if sent.problems or sent.broken_by is not None:
            record_rejected_rows(ledger, warehouse.url, sync)
            record_counts(ledger, warehouse.url, sync)
    except LedgerUnavailable:
        raise
    except DialNexaError as error:
        sent.problems.append(str(error))
    except INTERRUPTIONS as error:
        # Asked again while a warehouse is slow: what is left follows with the next run.
        sent.broken_by = sent.broken_by or error


def _explained(
    config: SyncConfig, ledger: Ledger, plan: Plan, sent: _Sent, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    account = ledger.accounts.of_plan(plan.plan_id)
    batches = ledger.batches.of_plan(plan.plan_id)
    checks = [
        conservation(account),
        nothing_in_doubt(ledger.doubts.batches(sync=config.name)),
        compared(lambda: tally_enrolments(ledger, warehouse.url, config.name), config.name),
    ]
    if config.activates:
        owed = [each.workflow_id for each in ledger.activations.owed(sync=config.name)]
        checks.append(activated(sent.activations, owed))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": ledger.accounts.enrolled(
                sync=plan.sync, partition_key=plan.partition_key
            ),
            **outcome_metadata(account),
            "batches": batch_table(batches),
            **sent.metadata,
            "leads_per_second": per_second(_enrolled(account) - sent.enrolled_before, sent.began),
            **workflow_links(batch.workflow_id for batch in batches),
            "planned_in_run": dg.MetadataValue.dagster_run(plan.run_id),
            "not_enrolled": dg.MetadataValue.asset(dg.AssetKey([config.name, "rejected_rows"])),
            "plan_id": plan.plan_id,
            **reason_numbers(account.counts),
            "dagster/column_schema": record_schema("dialnexa_enrolments"),
        },
        check_results=checks,
    )
