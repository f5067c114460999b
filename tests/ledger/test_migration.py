"""A ledger of an earlier version is brought up to this one with everything that it remembers."""

from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from dialnexa_pipeline.ledger import Ledger, LedgerUnavailable
from dialnexa_pipeline.ledger.migrating import migrations
from tests.ledger.steps import HOUR, LEASE, refs_of

PLAN = "00000000000000aa"
# Batch → its state, and the state, reason, liveness and lead id of each of its two claims.
BATCHES = {
    "b_sent": ("enrolled", [("enrolled", None, True, "l0"), ("withdrawn", None, True, "l1")]),
    "b_part": ("enrolled", [("enrolled", None, True, "l2"), ("released", "x/y", False, None)]),
    "b_doubt": ("in_doubt", [("enrolled", None, True, "l4"), ("in_doubt", "z", True, None)]),
    "b_next": ("planned", [("planned", None, True, None), ("planned", None, True, None)]),
}


def wide_ledger(url: str) -> None:
    """The tables as the first version made them, with a claim of each kind."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        now = "2026-11-20 10:00:00"
        connection.execute(
            sa.text(
                "INSERT INTO plans (plan_id, sync, partition_key, run_id, state, source_rows, "
                "created_at, ready_at) VALUES (:plan, 'a', '', 'r1', 'ready', 8, :now, :now)"
            ),
            {"plan": PLAN, "now": now},
        )
        seq = 9
        for batch_id, (state, claims) in BATCHES.items():
            connection.execute(
                sa.text(
                    "INSERT INTO batches (batch_id, plan_id, sync, partition_key, workflow_id, "
                    "state, ref_column, file_path, sha256, row_count, hold_absent, reason, "
                    "created_at, sent_at, in_doubt_since) VALUES (:batch, :plan, 'a', '', 'wf', "
                    ":state, 'ref', 'f', 's', 2, false, :reason, :now, :now, :now)"
                ),
                {
                    "batch": batch_id,
                    "plan": PLAN,
                    "state": state,
                    "now": now,
                    "reason": "in_doubt/no_answer" if state == "in_doubt" else None,
                },
            )
            for own, reason, live, lead_id in claims:
                connection.execute(
                    sa.text(
                        "INSERT INTO claims (enrolment_ref, plan_id, batch_id, seq, sync, "
                        "workflow_id, lead_key, raw_phone, phone, state, live, lead_id, reason, "
                        "claimed_at, settled_at) VALUES (:ref, :plan, :batch, :seq, 'a', 'wf', "
                        ":key, :key, :phone, :state, :live, :lead_id, :reason, :now, :now)"
                    ),
                    {
                        "ref": f"{PLAN}-{seq:x}",
                        "plan": PLAN,
                        "batch": batch_id,
                        "seq": seq,
                        "key": f"k{seq}",
                        "phone": 919800000000 + seq,
                        "state": own,
                        "live": live,
                        "lead_id": lead_id,
                        "reason": reason,
                        "now": now,
                    },
                )
                seq += 1
    engine.dispose()


def test_claims_of_the_first_version_keep_their_refs_states_and_lead_ids(
    unmigrated_url: str,
) -> None:
    wide_ledger(unmigrated_url)
    with Ledger(unmigrated_url) as ledger:
        account = ledger.accounts.of_plan(PLAN)
        assert account.by_outcome() == {
            "enrolled": 4,
            "planned": 3,
            "in_doubt": 1,
        }
        assert refs_of(ledger, "b_part") == [f"{PLAN}-b", f"{PLAN}-c"]
        (piece,) = ledger.accounts.enrolments_of(["b_sent"])
        assert piece["lead_id"].to_pylist() == ["l0", "l1"]
        assert piece["state"].to_pylist() == ["enrolled", "withdrawn"]
        holders = ledger.holders.find(["wf"], range(919800000000, 919800000100))
        assert {phone - 919800000000: holder.state for (_, phone), holder in holders.items()} == {
            9: "enrolled",
            10: "withdrawn",
            11: "enrolled",
            13: "enrolled",
            14: "in_doubt",
            15: "planned",
            16: "planned",
        }


def test_life_goes_on_where_the_first_version_left_it(unmigrated_url: str) -> None:
    wide_ledger(unmigrated_url)
    with Ledger(unmigrated_url) as ledger:
        assert ledger.doubts.settle_found("b_doubt", {f"{PLAN}-e": "l5"}) == 0
        assert ledger.batches.start_sending("b_next", owner="me", run_id="r2", lease=LEASE)
        ids = {f"{PLAN}-f": "l6", f"{PLAN}-10": "l7"}
        ledger.batches.settle_enrolled("b_next", owner="me", lead_ids=ids)
        ledger.holders.expire({"wf": [919800000009]}, older_than=-HOUR)
        assert ledger.accounts.of_plan(PLAN).by_outcome() == {"enrolled": 7, "planned": 1}
        ids = [
            piece["lead_id"].to_pylist()
            for piece in ledger.accounts.enrolments_of(["b_doubt", "b_next"])
        ]
        assert ids == [["l4", "l5"], ["l6", "l7"]]
        assert ledger.holders.find(["wf"], [919800000009]) == {}
        plan = ledger.plans.begin(sync="b", partition_key="", run_id="r3")
        assert plan.plan_id != PLAN


def test_each_migration_is_found_by_the_number_that_its_file_begins_with() -> None:
    scripts = list(ScriptDirectory.from_config(migrations()).walk_revisions())
    assert all(Path(each.path).name.partition("_")[0] == each.revision for each in scripts)
    assert all(newer.revision > older.revision for newer, older in pairwise(scripts))


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("9999", "brought to version 9999 by a newer dialnexa-pipeline"),
        ("29a8e9d74220", "holds the tables of another program: its alembic_version"),
    ],
)
def test_tables_of_a_newer_version_or_of_another_program_are_left_alone(
    version: str, said: str, unmigrated_url: str
) -> None:
    Ledger(unmigrated_url).close()
    engine = sa.create_engine(unmigrated_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :v"), {"v": version})
    with pytest.raises(LedgerUnavailable, match=said):
        Ledger(unmigrated_url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == version
    engine.dispose()
