"""Batches that are cut out of a refused one: out of its very file, whatever happens meanwhile."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from dialnexa_pipeline.api import DialNexaClient
from dialnexa_pipeline.enrolment import resending, withdraw
from dialnexa_pipeline.errors import StoreError
from dialnexa_pipeline.sandbox import SandboxServer
from tests.sending.conftest import Desk, bad, good

pytestmark = pytest.mark.servers


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something happen once the children are known, before their files are written."""

    def let(happen: Callable[[], object]) -> None:
        monkeypatch.setattr(
            resending, "reach", lambda name: happen() if name == "send.children_made" else None
        )

    return let


def test_a_file_that_somebody_changed_is_not_cut_up(
    desk: Desk,
    client: DialNexaClient,
    sandbox: SandboxServer,
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    plan = desk.plan([*good(range(3)), *bad([7])])
    (batch,) = desk.ledger.batches.of_plan(plan.plan_id)
    path = batch.file_path or ""

    def double_a_line() -> None:
        lines = desk.store.read(path).splitlines(keepends=True)
        desk.store.write(path, b"".join([*lines, lines[1]]))

    meanwhile(double_a_line)
    with pytest.raises(StoreError, match="SHA-256 differs"):
        desk.send(plan, client)
    assert sandbox.count_leads() == 0


def test_a_lead_that_is_withdrawn_meanwhile_holds_up_no_other_batch(
    desk: Desk,
    client: DialNexaClient,
    sandbox: SandboxServer,
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    plan = desk.plan([*good(range(3)), *bad([7])], good(range(10, 12)))
    phone = int(good([1])[0])
    meanwhile(
        lambda: withdraw(
            lambda: desk.ledger.withdrawals.of_phones([phone]),
            ledger=desk.ledger,
            client=client,
            detail="asked",
            settle=timedelta(0),
        )
    )
    desk.send(plan, client)
    assert sandbox.count_leads() == 2
    assert "it was released before it had a file" in " ".join(desk.notes)


def test_a_text_of_any_length_is_cut_out_of_the_file() -> None:
    content = b'"phone_number","note"\r\n"+919876500001","' + b"x" * 200_000 + b'"\r\n'
    table = resending._read(content, "csv")
    assert table["note"].to_pylist() == ["x" * 200_000]
