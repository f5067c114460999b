"""How the leads of a sheet stand in the ledger at one moment: whose row may be mended at all."""

from collections.abc import Collection, Mapping
from typing import Literal

from dialnexa_pipeline.ledger import REPLAY, Ledger, RecordedRejection, StandingClaim

Verdict = Literal["mended", "unchanged", "enrolled", "waiting", "unknown", "refused"]


class Standing:
    """Refused rows and claims of some leads, read once."""

    def __init__(self, ledger: Ledger, sync: str, lead_keys: Collection[str]) -> None:
        self.rows: Mapping[str, RecordedRejection] = {
            each.lead_key: each
            for piece in ledger.accounts.all_rejections(sync)
            for each in piece
            if each.resolved_at is None and each.lead_key in lead_keys
        }
        self._claims: dict[str, list[StandingClaim]] = {}
        for claim in ledger.withdrawals.of_leads(sync, lead_keys):
            if not _is_planned_anew(claim, ledger):
                self._claims.setdefault(claim.lead_key, []).append(claim)

    def refusal(self, lead_key: str) -> tuple[Verdict, str] | None:
        """Why a lead is not to be called by a sheet, whatever that says of it."""
        claims = self._claims.get(lead_key, ())
        states = {claim.state for claim in claims}
        if "withdrawn" in states:
            return "refused", "was withdrawn (suppressed/withdrawn) and is not called again."
        if "in_doubt" in states or any(claim.batch_state == "sending" for claim in claims):
            return "waiting", "was sent and the answer is unknown; `dialnexa reconcile` settles it."
        if "planned" in states:
            return "waiting", "is in a batch of another run that is not sent yet; send that first."
        if lead_key not in self.rows and "enrolled" in states:
            return "enrolled", "is enrolled already (duplicate/already_enrolled)."
        return None


def _is_planned_anew(claim: StandingClaim, ledger: Ledger) -> bool:
    """A replay first releases what an earlier one claimed and did not send."""
    return (
        claim.batch_state in ("planned", "failed")
        and ledger.batches.get(claim.batch_id).partition_key == REPLAY
    )
