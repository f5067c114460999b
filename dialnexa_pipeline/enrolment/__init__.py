"""Plan, send, settle and reconcile: from screened leads to enrolled ones."""

from dialnexa_pipeline.enrolment.activating import (
    Activation,
    activate_verified,
    owe_activations,
)
from dialnexa_pipeline.enrolment.correcting import (
    SourceCorrections,
    StagedBeforeCorrection,
    fits,
    refuse_outdated,
)
from dialnexa_pipeline.enrolment.destinations import Barred, Destinations
from dialnexa_pipeline.enrolment.earlier import EarlierRuns, earlier_runs
from dialnexa_pipeline.enrolment.erasing import ErasedPeople, EraseReport, erase
from dialnexa_pipeline.enrolment.filling import BatchLimits
from dialnexa_pipeline.enrolment.lease import lease_term
from dialnexa_pipeline.enrolment.observing import observe_workflow
from dialnexa_pipeline.enrolment.planning import plan_leads
from dialnexa_pipeline.enrolment.reconciling import SettledBatch, reconcile
from dialnexa_pipeline.enrolment.report import SendReport
from dialnexa_pipeline.enrolment.sending import send_plan
from dialnexa_pipeline.enrolment.staging import (
    SampleRow,
    StagedLeads,
    StagedUnderAnother,
    refuse_changed,
    stage_leads,
    staged_path,
)
from dialnexa_pipeline.enrolment.unclaimed import held_outcome
from dialnexa_pipeline.enrolment.withdrawing import WithdrawReport, withdraw
from dialnexa_pipeline.enrolment.workflow_status import (
    ASLEEP,
    AWAKE,
    ENDED,
    SeenWorkflow,
    look_at_workflows,
)

__all__ = [
    "ASLEEP",
    "AWAKE",
    "ENDED",
    "Activation",
    "Barred",
    "BatchLimits",
    "Destinations",
    "EarlierRuns",
    "EraseReport",
    "ErasedPeople",
    "SampleRow",
    "SeenWorkflow",
    "SendReport",
    "SettledBatch",
    "SourceCorrections",
    "StagedBeforeCorrection",
    "StagedLeads",
    "StagedUnderAnother",
    "WithdrawReport",
    "activate_verified",
    "earlier_runs",
    "erase",
    "fits",
    "held_outcome",
    "lease_term",
    "look_at_workflows",
    "observe_workflow",
    "owe_activations",
    "plan_leads",
    "reconcile",
    "refuse_changed",
    "refuse_outdated",
    "send_plan",
    "stage_leads",
    "staged_path",
    "withdraw",
]
