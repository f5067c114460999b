"""One small world without chance, for tests that order every event themselves."""

from typing import Any

from benchmarks.chaos.world import SourceRow, Sync, World, plain_world


def nine_people(*, cursor: bool = False) -> World:
    """Nine people who can be called, two whom DialNexa refuses, and two rows of no use.

    Args:
        cursor: the sync reads only what changed.
    """
    config: dict[str, Any] = {
        "name": "chaos_a",
        "source": {"table": "leads_a", "key": "id", "phone": "mobile", "default_country": "IN"},
        "workflow": "wf_chaos",
        "variables": {"name": "name"},
        "batch": {"max_rows": 6},
    }
    if cursor:
        config["source"]["updated_at"] = "updated_at"
        config["cursor"] = {"look_back": "0m", "full_scan": "never"}
    numbers = [f"+91987651{index:04d}" for index in range(9)]
    rows = [(phone, "callable") for phone in [*numbers, numbers[0]]]
    rows += [("+4915112300001", "refused"), ("+4915112300002", "refused"), ("", "invalid")]
    return plain_world(
        Sync(config, "leads_a"),
        [
            SourceRow(key, phone, "Name", "", f"2026-01-{key + 1:02}", phone or None, verdict)
            for key, (phone, verdict) in enumerate(rows)
        ],
    )
