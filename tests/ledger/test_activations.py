"""What is owed to sleeping workflows, read while the ledger goes on."""

import threading

from dialnexa_pipeline.ledger import Ledger
from tests.ledger.steps import refs_of, sending


def test_the_ledger_may_be_asked_while_enrolled_numbers_are_read(ledger: Ledger) -> None:
    plan = sending(ledger, 3)
    ledger.activations.owe(plan, ["wf"])
    ledger.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs_of(ledger)))
    (owed,) = ledger.activations.owed(sync="a")
    read: list[int] = []

    def read_all() -> None:
        for phone in ledger.activations.enrolled_phones(owed):
            assert ledger.batches.get("b1").state == "enrolled"
            read.append(phone)

    # A thread, because whoever waits for himself waits for good.
    reader = threading.Thread(target=read_all, daemon=True)
    reader.start()
    reader.join(20)
    assert read == [919800000000 + n for n in range(3)]
