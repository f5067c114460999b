"""Withdrawing takes out of DialNexa whoever its list shows, however the list spells them."""

from datetime import timedelta

import pytest

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.enrolment import withdraw
from dialnexa_pipeline.ledger import Ledger
from tests.enrolment.conftest import ListServer
from tests.ledger.steps import refs_of, sending

PHONE = 919800000000


@pytest.mark.parametrize("by_ref", [True, False])
@pytest.mark.parametrize("spelled", ["+919800000000", "919800000000", "+91 98000 00000"])
def test_a_lead_without_an_id_is_found_in_the_list(
    ledger: Ledger,
    server: ListServer,
    monkeypatch: pytest.MonkeyPatch,
    spelled: str,
    *,
    by_ref: bool,
) -> None:
    sending(ledger)
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids={})
    echoed = {"ref": refs_of(ledger)[0]} if by_ref else {}
    server.leads["wf"] = [
        {"id": "lead_1", "phone_number": spelled, "dynamic_variables": echoed},
        {"id": "lead_2", "phone_number": "+919800000001", "dynamic_variables": {}},
    ]
    deleted: list[str] = []

    def delete_lead(_client: DialNexaClient, _workflow_id: str, lead_id: str) -> bool:
        deleted.append(lead_id)
        return True

    monkeypatch.setattr(DialNexaClient, "delete_lead", delete_lead)
    with server.client() as client:
        report = withdraw(
            lambda: ledger.withdrawals.of_phones([PHONE]),
            ledger=ledger,
            client=client,
            detail="asked",
            settle=timedelta(0),
        )
    assert (report.removed, deleted) == (1, ["lead_1"])
