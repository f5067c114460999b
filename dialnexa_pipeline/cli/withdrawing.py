"""`dialnexa withdraw`: take people out of their workflows, and with --erase out of our data."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dialnexa_pipeline.cli.completing import complete_sync
from dialnexa_pipeline.cli.people import Reason, Who, signed
from dialnexa_pipeline.cli.progress import under_way
from dialnexa_pipeline.cli.sentences import Json, Sentences, console, print_json

if TYPE_CHECKING:
    from dialnexa_pipeline.enrolment import WithdrawReport
    from dialnexa_pipeline.ledger import Ledger, StandingClaim
    from dialnexa_pipeline.phones import PhoneHasher
    from dialnexa_pipeline.settings import Settings

_WAITING = 3


def withdraw(
    *,
    reason: Reason,
    phone: Annotated[
        list[str] | None, typer.Option("--phone", help="A number; the option may be repeated.")
    ] = None,
    lead_key: Annotated[
        list[str] | None, typer.Option("--lead-key", help="A lead of --sync; may be repeated.")
    ] = None,
    sync: Annotated[
        str | None,
        typer.Option("--sync", help="The sync of --lead-key.", autocompletion=complete_sync),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="CSV, or one number a line.")] = None,
    country: Annotated[
        str | None, typer.Option("--country", help="Country of numbers in national form, e.g. IN.")
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Keep nothing but a keyed hash of the numbers.")
    ] = False,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Remove leads from DialNexa's workflows; the numbers are not planned there again."""
    from dialnexa_pipeline.cli.phone_lists import lines_of, read_phones
    from dialnexa_pipeline.ledger import Ledger
    from dialnexa_pipeline.phones import PhoneHasher
    from dialnexa_pipeline.settings import Settings

    name, why = signed(who, reason)
    if bool(lead_key) != (sync is not None):
        raise typer.BadParameter("give --lead-key and --sync together")
    if not phone and not lead_key and file is None:
        raise typer.BadParameter("name somebody: --phone, --lead-key with --sync, or --file")
    with Sentences():
        settings = Settings.from_environment()
        hasher = PhoneHasher(settings.erasure_key) if erase else None
        named = [("--phone", text) for text in phone or ()]
        listed = read_phones([*named, *(lines_of(file) if file is not None else ())], country)
        with Ledger(settings.ledger_url) as ledger:
            command = _Command(settings, ledger, name, why, as_json=as_json)
            try:
                command.withdraw(listed.phones, sync or "", lead_key or (), hasher)
                command.follow_records()
            finally:
                # What was done is said, even when the records cannot follow.
                if not as_json:
                    _print(command.said)
    if as_json:
        print_json({**command.counts, "said": [*command.said, *listed.problems]})
    else:
        _print(listed.problems)
    if listed.problems or command.failed:
        raise typer.Exit(1)
    if command.waiting:
        raise typer.Exit(_WAITING)


class _Command:
    """One call of the command, with what it has to remember until it ends."""

    def __init__(
        self, settings: "Settings", ledger: "Ledger", who: str, why: str, *, as_json: bool
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._who = who
        self._why = why
        self._as_json = as_json
        self.failed = False
        self.waiting = False
        self.said: list[str] = []
        self.counts: dict[str, int] = {}

    def withdraw(
        self,
        phones: Collection[int],
        sync: str,
        lead_keys: Collection[str],
        hasher: "PhoneHasher | None",
    ) -> None:
        from dialnexa_pipeline.connecting import open_client
        from dialnexa_pipeline.enrolment import withdraw as withdraw_claims

        if hasher is not None and lead_keys:
            # Erasing is about a person, so every claim of the number goes, not this lead's alone.
            phones = {*phones, *self._ledger.erasures.phones_of_leads(sync, lead_keys)}

        def find() -> "list[StandingClaim]":
            found = self._ledger.withdrawals.of_phones(phones) if phones else []
            if lead_keys:
                found += self._ledger.withdrawals.of_leads(sync, lead_keys)
            return list({claim.enrolment_ref: claim for claim in found}.values())

        known = find()
        with (
            open_client(self._settings) as client,
            under_way("Claims", total=len(known), quiet=self._as_json) as taken,
        ):
            report = withdraw_claims(
                find,
                ledger=self._ledger,
                client=client,
                detail=f"Withdrawn by {self._who}: {self._why}.",
                settle=self._settings.settle,
                note_taken=taken,
            )
        self._say_what_was_done(report)
        self._say_unknown(known, phones, lead_keys)
        if hasher is not None:
            self._erase(set(phones) - report.unsettled, len(phones), hasher)

    def follow_records(self) -> None:
        from dialnexa_pipeline.records import (
            record_counts,
            record_enrolments,
            record_rejected_rows,
        )

        for sync in self._ledger.withdrawals.syncs_behind():
            record_enrolments(self._ledger, self._settings.warehouse_url, sync)
            record_rejected_rows(self._ledger, self._settings.warehouse_url, sync)
            record_counts(self._ledger, self._settings.warehouse_url, sync)

    def _say_what_was_done(self, report: "WithdrawReport") -> None:
        self.said += [*report.waiting, *report.problems]
        self.failed = self.failed or bool(report.problems)
        self.waiting = bool(report.waiting)
        counts = {
            "Leads removed from their workflows": report.removed,
            "Withdrawn before they were sent": report.unsent,
            "Withdrawn already": report.already,
            "Other leads of the same batches, which the next run plans again": report.replanned,
        }
        self.said += [f"{what}: {count}." for what, count in counts.items() if count]
        self.counts = {
            "removed": report.removed,
            "unsent": report.unsent,
            "already": report.already,
            "replanned": report.replanned,
        }

    def _say_unknown(
        self, known: "list[StandingClaim]", phones: Collection[int], lead_keys: Collection[str]
    ) -> None:
        from dialnexa_pipeline.masking import mask_phone

        enrolled = {claim.phone for claim in known}
        self.said += [
            f"{mask_phone(f'+{phone}')} is not enrolled anywhere; nothing was to be withdrawn."
            for phone in phones
            if phone not in enrolled
        ]
        leads = {claim.lead_key for claim in known}
        self.said += [
            f"Lead {mask_phone(key)} of the sync holds no claim; nothing was to be withdrawn."
            for key in lead_keys
            if key not in leads
        ]

    def _erase(self, phones: set[int], asked: int, hasher: "PhoneHasher") -> None:
        from dialnexa_pipeline.enrolment import erase
        from dialnexa_pipeline.store import Store

        report = erase(
            phones,
            ledger=self._ledger,
            store=Store(self._settings.store_url),
            hasher=hasher,
            who=self._who,
            why=self._why,
        )
        self.said += [
            f"Numbers erased: {len(phones)} of {asked}. Staged files rewritten: "
            f"{report.rewritten}; batch files deleted: {report.deleted}. The ledger keeps a "
            "keyed hash of each number.",
            *report.kept,
        ]
        self.failed = self.failed or bool(report.kept)


def _print(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)
