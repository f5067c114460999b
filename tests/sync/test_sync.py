"""A sync that cannot mean anything sensible is refused, and the sentence names the key."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from dialnexa_pipeline.sync import SyncConfig

GOOD: dict[str, Any] = {
    "name": "loans",
    "source": {"table": "leads", "key": "id", "phone": "mobile"},
    "workflow": "wf",
    "variables": {"name": "full_name"},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"worfklow": "x"}, "unknown key 'worfklow'; did you mean 'workflow'? choices: name, "),
        (
            {"batch": {"max_row": 9}},
            "unknown key 'max_row'; did you mean 'max_rows'? choices: format, max_rows, max_bytes",
        ),
        (
            {"source": {**GOOD["source"], "fone": "p"}},
            "unknown key 'fone'; did you mean 'phone'? choices: table, query, file, ",
        ),
        ({"name": "Home Loans"}, "name"),
        ({"workflow_column": "wf"}, "exactly one of workflow and workflow_column"),
        ({"workflow": None}, "exactly one of workflow and workflow_column"),
        ({"source": {"key": "id", "phone": "p"}}, "exactly one of table, query and file"),
        ({"source": {**GOOD["source"], "default_country": "India"}}, "default_country"),
        ({"variables": {"agent_id": "a"}}, "'agent_id' is reserved by DialNexa"),
        ({"variables": {f"v{n}": "c" for n in range(15)}}, "16 columns would be uploaded"),
        ({"variables": {"Phone_Number": "a"}}, "would collide with 'phone_number'"),
        ({"required_variables": ["city"]}, "required_variables names 'city'"),
        ({"phone_types": ["cellphone"]}, "phone_types names 'cellphone'; choices: "),
        ({"phone_types": []}, "phone_types names none, so nobody could be called; leave it out"),
        ({"schedule": "0 9 * *"}, "'0 9 * *' has 4 of the five fields of a cron schedule"),
        ({"schedule": "99 9 * * *"}, "'99 9 * * *' is no cron schedule: its minute is not one"),
        ({"progress": {"schedule": "hourly"}}, "'hourly' has 1 of the five fields"),
        ({"owners": ["bob"]}, "'bob' is no owner; write an e-mail address, or team:name"),
        ({"owners": ["team:"]}, "'team:' is no owner"),
        ({"timezone": "Bombay"}, "'Bombay' is not an IANA zone"),
        ({"partitions": {"every": "day", "start": "2026-01-01"}}, "partitions need source.updated"),
        ({"cursor": True}, "cursor needs source.updated_at"),
        (
            {
                "source": {**GOOD["source"], "updated_at": "u"},
                "partitions": {"every": "day", "start": "2026-01-01"},
                "cursor": {},
            },
            "cursor belongs to a table or query without partitions",
        ),
        ({"cursor": {"full_scan": "always"}}, "'always' is neither 'never' nor a duration"),
        (
            {"source": {"query": "SELECT 1", "key": "id", "phone": "p"}, "automation": True},
            "Input should be 'after_upstream'",
        ),
        (
            {
                "source": {"query": "SELECT 1", "key": "id", "phone": "p"},
                "automation": "after_upstream",
            },
            "automation follows an upstream asset, so it needs source.table",
        ),
        ({"dedupe": "soon"}, "'soon' is neither 'forever' nor a duration"),
        ({"dedupe": "0d"}, "'0d' would call everybody again in each run; write 30d or forever"),
        ({"dedupe": "00h"}, "'00h' would call everybody again in each run"),
        ({"dedupe": "99999999999d"}, "'99999999999d' is longer than a hundred years"),
        ({"dedupe": "9" * 5_000 + "d"}, "is longer than a hundred years"),
        ({"freshness": "40000d"}, "'40000d' is longer than a hundred years"),
        ({"in_doubt": "resend"}, "'replan' or 'hold'"),
        ({"batch": {"max_bytes": "9 bananas"}}, "'9 bananas' is not a size"),
        ({"guard": {"max_leads": 0}}, "guard.max_leads"),
        ({"preflight": "block"}, "'enforce', 'warn' or 'off'"),
        ({"freshness": "daily"}, "'daily' is neither 'off' nor a duration such as 26h"),
        ({"checks": {"max_blank": 0}}, "did you mean 'max_blank_rate'?"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SyncConfig.model_validate({**GOOD, **changes})
    assert said in str(caught.value).replace("\n", " ").replace("guard.\n", "guard.")


def test_sizes_and_durations_are_read_as_people_write_them() -> None:
    sync = SyncConfig.model_validate({**GOOD, "dedupe": "30d", "batch": {"max_bytes": "1.5 MB"}})
    assert sync.dedupe == timedelta(days=30)
    assert sync.batch.max_bytes == 1_500_000


def test_only_named_columns_are_read_each_once() -> None:
    variables = {"name": "full_name", "greeting": "full_name"}
    sync = SyncConfig.model_validate({**GOOD, "variables": variables})
    assert sync.source_columns == ["id", "mobile", "full_name"]


@pytest.mark.parametrize(
    ("changes", "keeps_one"),
    [
        ({}, True),
        ({"cursor": True}, True),
        ({"cursor": False}, False),
        # Unchanged rows come due again, so they must be read.
        ({"dedupe": "30d"}, False),
        ({"dedupe": "30d", "cursor": {"full_scan": "1d"}}, True),
        ({"partitions": {"every": "day", "start": "2026-01-01"}}, False),
        ({"source": GOOD["source"]}, False),
        ({"source": {"file": "l.csv", "key": "id", "phone": "p", "updated_at": "u"}}, False),
    ],
)
def test_a_sync_that_names_updated_at_keeps_a_cursor(
    changes: dict[str, Any], keeps_one: bool
) -> None:
    source = {**GOOD["source"], "updated_at": "u"}
    sync = SyncConfig.model_validate({**GOOD, "source": source, **changes})
    assert (sync.incremental is not None) == keeps_one


def test_owners_are_people_or_teams() -> None:
    owners = ["meena@example.com", "team:growth"]
    assert SyncConfig.model_validate({**GOOD, "owners": owners}).owners == owners
