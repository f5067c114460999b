"""The ledger's database: its URL, its migrations, and that it survives the process."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dialnexa_pipeline.errors import ConfigError
from dialnexa_pipeline.ledger import Ledger, LedgerUnavailable
from dialnexa_pipeline.ledger.database import LedgerDatabase
from dialnexa_pipeline.ledger.tables import metadata
from tests.ledger.candidates import candidates, claim
from tests.ledger.steps import outcomes, refs_of, sending


def test_the_migrations_make_exactly_the_tables_of_the_code(unmigrated_url: str) -> None:
    database = LedgerDatabase(unmigrated_url)
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()
    assert differences == []


def test_the_migrations_make_the_same_indexes_and_checks_as_the_code(unmigrated_url: str) -> None:
    """`compare_metadata` sees neither a partial index's condition nor check constraints."""
    database = LedgerDatabase(unmigrated_url)
    migrated = _rules(database.engine)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP VIEW claim_states")
        metadata.drop_all(connection)
        metadata.create_all(connection)
    assert migrated == _rules(database.engine)
    database.close()


def _rules(engine: sa.Engine) -> dict[str, tuple[list[str], list[str], list[str]]]:
    inspector = sa.inspect(engine)
    return {
        table: (
            sorted(
                f"{index['name']} {index['column_names']} {bool(index['unique'])} "
                f"{[str(option) for option in index.get('dialect_options', {}).values()]}"
                for index in inspector.get_indexes(table)
            ),
            sorted(str(check["sqltext"]) for check in inspector.get_check_constraints(table)),
            sorted(str(key["constrained_columns"]) for key in inspector.get_foreign_keys(table)),
        )
        for table in metadata.tables
    }


def test_a_ledger_survives_being_closed_and_opened_again(ledger_url: str) -> None:
    with Ledger(ledger_url) as before:
        plan = sending(before)
    with Ledger(ledger_url) as after:
        assert after.batches.get("b1").state == "sending"
        assert outcomes(after, plan) == {"planned": 10}
        after.batches.settle_enrolled("b1", owner="me", lead_ids=dict.fromkeys(refs_of(after)))
    with Ledger(ledger_url) as again:
        assert outcomes(again, plan) == {"enrolled": 10}


def test_all_that_one_transaction_reads_is_of_one_moment(ledger_url: str) -> None:
    with Ledger(ledger_url) as ledger:
        sending(ledger)
        database = LedgerDatabase(ledger_url)
        question = sa.text("SELECT state FROM batches")
        with database.reading() as connection:
            before = connection.scalar(question)
            ledger.batches.return_to_planned("b1", owner="me", detail="")
            assert connection.scalar(question) == before == "sending"
        with database.reading() as connection:
            assert connection.scalar(question) == "planned"
        database.close()


def test_a_transition_that_breaks_off_leaves_nothing_behind(ledger: Ledger) -> None:
    plan = ledger.plans.begin(sync="b", partition_key="", run_id="r2")
    claim(ledger, plan, [50], "b1", first_seq=9)
    with pytest.raises(Exception, match=r"(?i)unique"):
        ledger.plans.claim(
            plan,
            [
                candidates([40], "b2", workflow="another", first_seq=0),
                candidates(range(60, 70), "b1", first_seq=0),
            ],
            ref_column=None,
        )
    assert [batch.batch_id for batch in ledger.batches.of_plan(plan.plan_id)] == ["b1"]
    assert len(claim(ledger, plan, range(60, 70), "b2", first_seq=10)) == 10


def test_no_value_is_in_the_text_of_a_database_error(postgres_url: str) -> None:
    with Ledger(postgres_url):
        database = LedgerDatabase(postgres_url)
    question = sa.text("SELECT phone FROM live_claims WHERE phone = CAST(:text AS bigint)")
    for opened in (database.transaction, database.reading):
        with pytest.raises(LedgerUnavailable) as caught, opened() as connection:
            connection.execute(question, {"text": "Priya +919876543210"})
        assert "invalid input syntax for type bigint: '…'" in str(caught.value)
    database.close()


def test_what_postgresql_answers_is_on_its_disk_whatever_it_does_by_default(
    postgres_url: str,
) -> None:
    admin = sa.create_engine(postgres_url)
    with admin.begin() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar()
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    admin.dispose()
    database = LedgerDatabase(postgres_url)
    with database.transaction() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    database.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://h/d", "names 'mysql'; the ledger lives in SQLite or PostgreSQL"),
        ("duckdb:///x.db", "names 'duckdb'; the ledger lives in SQLite or PostgreSQL"),
        ("sqlite://", "names a SQLite database in memory; the ledger must survive the process"),
        (
            "sqlite:///:memory:",
            "names a SQLite database in memory; the ledger must survive the process",
        ),
        ("nonsense", "is not a database URL; give for example sqlite:///"),
        ("", "is not a database URL; give for example sqlite:///"),
    ],
)
def test_a_url_that_cannot_keep_the_invariants_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"DIALNEXA_LEDGER_URL {sentence}"):
        _refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:x?mode=memory&cache=shared&uri=true",
        "postgresql://u:p@h:port/d",
        "postgresql+nosuchdriver://h/d",
        "sqlite+nosuchdriver:///x.db",
    ],
)
def test_a_url_with_a_subtler_mistake_is_refused_as_clearly(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="DIALNEXA_LEDGER_URL"):
        _refused(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnavailable, match=r"folder .*file/below cannot be made"):
        _refused(f"sqlite:///{tmp_path}/file/below/ledger.db")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(LedgerUnavailable, match=r"file is not a database\. Check DIALNEXA_LEDGER"):
        _refused(f"sqlite:///{path}")
    assert path.read_text() == "not a database " * 100


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="cannot be opened: unable to open"):
        _refused(f"sqlite:///{tmp_path}")


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(LedgerUnavailable, match="cannot be opened") as caught:
        _refused("postgresql://me:hunter2@127.0.0.1:1/d")
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_among_the_parameters_of_the_url_is_not_shown() -> None:
    with pytest.raises(LedgerUnavailable) as caught:
        _refused("postgresql://127.0.0.1:1/d?user=me&password=hunter2")
    assert "hunter2" not in str(caught.value)


def _refused(url: str) -> None:
    Ledger(url).close()
