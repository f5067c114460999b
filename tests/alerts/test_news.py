"""Which alerts are due: decided by facts and by what was told already, and by nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from dialnexa_pipeline.alerts import (
    AlertsConfig,
    EndedRun,
    Facts,
    LedgerFacts,
    Memory,
    find_news,
    new_memory,
    read_memories,
    without_numbers,
    write_memories,
)
from dialnexa_pipeline.alerts.wording import alert_message
from dialnexa_pipeline.ledger import Doubt

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RUN = EndedRun("r1", "loans", "", "sync", False, NOON, "The wallet is empty.")


def config(**more: Any) -> AlertsConfig:
    return AlertsConfig.model_validate({"slack": {"channel": "#calls"}, **more})


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def doubt(minutes: int) -> Doubt:
    return Doubt("loans", "", 50, at(minutes), "r1", False)


def told(
    memory: Memory, minutes: int, *runs: EndedRun, doubts: tuple[Doubt, ...] = (), **more: Any
) -> tuple[list[str], Memory]:
    """Sentences of one tick, and what is remembered after it."""
    facts = Facts(at(minutes), LedgerFacts(doubts=doubts), runs)
    news = find_news(config(**more), facts, memory)
    return [item.text for item in news.items], news.memory


def test_each_failed_run_is_told_once_however_often_it_is_seen() -> None:
    memory = new_memory(at(-1))
    said, memory = told(memory, 1, RUN)
    assert said == ["Sync loans: the run failed at 2026-01-02 12:00 UTC. The wallet is empty."]
    assert told(memory, 2, RUN)[0] == []
    again = replace(RUN, run_id="r2", ended_at=at(3))
    assert len(told(memory, 4, RUN, again)[0]) == 1


def test_what_was_made_good_before_anybody_heard_of_it_is_not_told() -> None:
    mended = replace(RUN, run_id="r2", succeeded=True, ended_at=at(1))
    assert told(new_memory(at(-1)), 2, RUN, mended)[0] == []


def test_a_run_of_another_partition_or_a_preview_makes_no_failure_good() -> None:
    _, memory = told(new_memory(at(-1)), 1, RUN)
    other = replace(RUN, succeeded=True, ended_at=at(2), partition_key="2026-01-01")
    preview = replace(RUN, succeeded=True, ended_at=at(2), scope="part")
    assert told(memory, 3, other, preview)[0] == []
    whole = replace(RUN, succeeded=True, ended_at=at(2))
    said, memory = told(memory, 3, RUN, whole)
    assert said == ["Settled, sync loans: a later run succeeded."]
    assert told(memory, 4, RUN, whole)[0] == []


def test_a_new_doubt_beside_an_old_one_is_told_when_it_lasts_as_long() -> None:
    said, memory = told(new_memory(NOON), 31, doubts=(doubt(0),))
    assert len(said) == 1
    both = (doubt(0), doubt(20))
    assert told(memory, 40, doubts=both)[0] == []
    said, memory = told(memory, 51, doubts=both)
    assert said[0].startswith("Sync loans: 2 batches with 100 leads in doubt, the longest for 51")
    assert told(memory, 52, doubts=(doubt(0),))[0] == [], "one of them was settled"
    assert told(memory, 53)[0] == ["Settled, sync loans: no batch is in doubt any more."]


def test_what_is_not_watched_any_more_ends_in_silence() -> None:
    _, memory = told(new_memory(NOON), 31, doubts=(doubt(0),))
    assert told(memory, 32, when=["stopped"])[0] == []
    assert told(memory, 32, syncs=["cards"])[0] == []


def test_a_longer_patience_does_not_call_a_doubt_settled() -> None:
    _, memory = told(new_memory(NOON), 31, doubts=(doubt(0),))
    assert told(memory, 32, doubts=(doubt(0),), in_doubt_minutes=600)[0] == []


def test_a_memory_survives_the_cursor() -> None:
    _, memory = told(new_memory(at(-1)), 31, RUN, doubts=(doubt(0),))
    assert read_memories(write_memories({"Slack #calls": memory})) == {"Slack #calls": memory}


@pytest.mark.parametrize("cursor", [None, "", "17", "{", '{"version": 0}', '{"version": 1}'])
def test_a_cursor_that_cannot_be_read_begins_anew(cursor: str | None) -> None:
    assert read_memories(cursor) == {}


def test_a_year_of_failed_partitions_is_one_message_that_can_be_read() -> None:
    runs = [replace(RUN, run_id=f"r{n}", partition_key=f"p{n}") for n in range(365)]
    facts = Facts(at(1), LedgerFacts(), tuple(runs))
    message = alert_message(find_news(config(), facts, new_memory(at(-1))).items)
    assert message.title == "DialNexa: Sync loans, partition p0: the run failed, and 364 more"
    assert len(message.items) == 26
    assert message.items[-1].text.startswith("And 340 more")


def test_a_number_is_masked_and_a_moment_is_not() -> None:
    said = without_numbers("stopped at 2026-01-02 09:00 UTC: 98765 43210 and 2026-01-02 complained")
    assert said.startswith("stopped at 2026-01-02 09:00 UTC: ")
    assert said.endswith("3210 and 2026-01-02 complained")
    assert "98765" not in said


def test_somebody_must_be_told() -> None:
    with pytest.raises(ValidationError, match="nobody would be told; give slack, email or both"):
        AlertsConfig.model_validate({})
    with pytest.raises(ValidationError, match="did you mean 'syncs'"):
        config(sync=["loans"])
    with pytest.raises(ValidationError, match="Input should be 'sync_failed'"):
        config(when=["failed"])
    with pytest.raises(ValidationError, match="token_env"):
        AlertsConfig.model_validate({"slack": {"channel": "#c", "token_env": "xoxb-1-secret"}})
