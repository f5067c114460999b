"""`dialnexa explain`: why a lead was enrolled or was not, with its whole history."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json

if TYPE_CHECKING:
    from dialnexa_pipeline.ledger import ClaimHistory, History, Ledger, RefusalHistory

_MOMENT = "%Y-%m-%d %H:%M"
_ERASED = "suppressed/erased"


def explain(
    lead: Annotated[str, typer.Argument(help="The source's key of a lead, or a phone number.")],
    sync: Annotated[
        str | None, typer.Option(help="Only in this sync.", autocompletion=complete_sync)
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="Of a phone number in national form, for example IN.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell why a lead was or was not enrolled; exit code 3 when nothing is known of it."""
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.settings import Settings

    with Sentences(), Ledger(Settings.from_environment().ledger_url) as ledger:
        history = _find(ledger, lead, sync, country)
    if as_json:
        print_json(
            {
                "claims": [_masked(asdict(claim)) for claim in history.claims],
                "refusals": [_masked(asdict(refusal)) for refusal in history.refusals],
            }
        )
    else:
        for sentence in _sentences(history):
            console.print(f"• {escape(sentence)}", highlight=False, soft_wrap=True)
        console.print(escape(_conclusion(history)), highlight=False, soft_wrap=True)
    if history.is_empty:
        raise typer.Exit(3)


def _find(ledger: "Ledger", text: str, sync: str | None, country: str | None) -> "History":
    """By key, and by number when no key is so; a plus or a country says that it is a number."""
    from dialnexa_pipeline.cli.phone_lists import read_phones

    by_key = ledger.histories.of_lead(text, sync=sync)
    if not by_key.is_empty:
        return by_key
    phones = read_phones([("the number", text)], country).phones
    return ledger.histories.of_phone(phones[0], sync=sync) if phones else by_key


def _sentences(history: "History") -> list[str]:
    dated = [(claim.claimed_at, _claim_sentence(claim)) for claim in history.claims]
    dated += [(each.first_seen_at, _refusal_sentence(each)) for each in history.refusals]
    return [sentence for _, sentence in sorted(dated, key=lambda pair: pair[0])]


def _claim_sentence(claim: "ClaimHistory") -> str:
    from dialnexa_pipeline.leads import REASONS
    from dialnexa_pipeline.masking import mask_phone

    phone = mask_phone(f"+{claim.phone}") if claim.phone is not None else "number erased"
    partition = f", partition {claim.partition_key}" if claim.partition_key else ""
    sent = (
        f"sent {claim.sent_at:{_MOMENT}} UTC by run {claim.sent_by_run}"
        if claim.sent_at is not None
        else "not sent"
    )
    said = f" {REASONS.get(claim.reason, claim.reason)}" if claim.reason else ""
    detail = f" {claim.detail}" if claim.detail and claim.detail != said.strip() else ""
    lead_id = f" DialNexa's lead id is {claim.lead_id}." if claim.lead_id else ""
    return (
        f"{claim.claimed_at:{_MOMENT}} UTC: lead {_key(claim.lead_key)} ({phone}) of sync "
        f"{claim.sync}{partition} was claimed for workflow {claim.workflow_id} by run "
        f"{claim.run_id}; batch {claim.batch_id} ({claim.batch_state}), {sent}. The claim is "
        f"{claim.state}.{lead_id}{said}{detail}"
    )


def _refusal_sentence(refusal: "RefusalHistory") -> str:
    from dialnexa_pipeline.leads import REASONS
    from dialnexa_pipeline.masking import mask_phone

    raw = f" (written {mask_phone(refusal.raw_phone)!r})" if refusal.raw_phone else ""
    resolved = (
        f"It has stood in the way no longer since {refusal.resolved_at:{_MOMENT}} UTC."
        if refusal.resolved_at is not None
        else f"It still did at {refusal.last_seen_at:{_MOMENT}} UTC."
    )
    detail = f" {refusal.detail}" if refusal.detail else ""
    workflow = refusal.workflow_id or "no workflow"
    return (
        f"{refusal.first_seen_at:{_MOMENT}} UTC: lead {_key(refusal.lead_key)}{raw} of sync "
        f"{refusal.sync} was not enrolled in {workflow}: {refusal.reason}. "
        f"{REASONS.get(refusal.reason, '')}{detail} {resolved}"
    )


def _conclusion(history: "History") -> str:
    from dialnexa_pipeline.ledger import REPLAY

    if history.is_empty:
        return (
            "The ledger knows no such lead and no such number: no run has read it. `dialnexa "
            "preview SYNC` shows what the next run would do; a number in national form needs "
            "--country, and a person who was erased is known by a keyed hash only."
        )
    enrolled = [c for c in history.claims if c.state == "enrolled" and c.holds]
    if enrolled:
        where = ", ".join(dict.fromkeys(claim.workflow_id for claim in enrolled))
        return f"Enrolled in {where}: the number is not planned there again."
    doubtful = [c for c in history.claims if c.state == "in_doubt" or c.batch_state == "sending"]
    if doubtful:
        return "Sent, and the answer is unknown: `dialnexa reconcile` settles it; nobody re-sends."
    if any(claim.state == "withdrawn" and claim.holds for claim in history.claims):
        return "Withdrawn: the number is not planned there again."
    planned = [c for c in history.claims if c.state == "planned" and c.holds]
    if planned and planned[-1].partition_key == REPLAY:
        return "Planned and not sent: the same `dialnexa replay SYNC SHEET` again sends it."
    if planned:
        return "Planned and not sent: materialise the sync's enrolments to send it."
    if _is_erased(history):
        return (
            "Erased: no run plans this person's number again in any workflow, and only a keyed "
            "hash of it is kept."
        )
    return "Not enrolled: mend what the newest line says at the source, and run the sync again."


def _is_erased(history: "History") -> bool:
    """Whether an erasure is why the lead is not enrolled; a new number may be refused as others."""
    standing = [each.reason for each in history.refusals if each.resolved_at is None]
    if any(reason != _ERASED for reason in standing):
        return False
    return bool(standing) or any(claim.phone is None for claim in history.claims)


def _masked(fields: dict[str, object]) -> dict[str, object]:
    from dialnexa_pipeline.masking import mask_phone

    masked = dict(fields)
    if masked.get("phone") is not None:
        masked["phone"] = mask_phone(f"+{str(masked['phone']).removeprefix('+')}")
    if masked.get("raw_phone"):
        masked["raw_phone"] = mask_phone(str(masked["raw_phone"]))
    masked["lead_key"] = _key(str(masked["lead_key"]))
    return masked


def _key(lead_key: str) -> str:
    from dialnexa_pipeline.enrolment import SampleRow

    return SampleRow.masked(lead_key, None, "").lead_key
